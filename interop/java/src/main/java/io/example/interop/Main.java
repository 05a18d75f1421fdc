package io.example.interop;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.kubernetes.client.custom.V1Patch;
import io.kubernetes.client.informer.ResourceEventHandler;
import io.kubernetes.client.informer.SharedIndexInformer;
import io.kubernetes.client.informer.SharedInformerFactory;
import io.kubernetes.client.openapi.ApiClient;
import io.kubernetes.client.openapi.ApiException;
import io.kubernetes.client.openapi.apis.CoordinationV1Api;
import io.kubernetes.client.openapi.apis.CoreV1Api;
import io.kubernetes.client.openapi.apis.CustomObjectsApi;
import io.kubernetes.client.openapi.models.V1ConfigMap;
import io.kubernetes.client.openapi.models.V1Lease;
import io.kubernetes.client.openapi.models.V1LeaseSpec;
import io.kubernetes.client.openapi.models.V1ObjectMeta;
import io.kubernetes.client.util.Config;
import io.kubernetes.client.util.PatchUtils;
import io.kubernetes.client.util.generic.dynamic.DynamicKubernetesApi;
import io.kubernetes.client.util.generic.dynamic.DynamicKubernetesObject;
import io.kubernetes.client.util.generic.options.CreateOptions;
import java.time.OffsetDateTime;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What the official Java client does with a server, one line for each thing that works. */
public final class Main {
    private static final String NAMESPACE = "default";

    private Main() {}

    /** Says what works; the first thing that does not ends it. */
    public static void main(String[] arguments) throws Exception {
        ApiClient client = Config.defaultClient();
        client.setReadTimeout(0);
        typed(new CoreV1Api(client));
        lease(new CoordinationV1Api(client));
        DynamicKubernetesApi devices =
                new DynamicKubernetesApi("infra.example.io", "v1", "devices", client);
        SharedInformerFactory informers = new SharedInformerFactory(client);
        LinkedBlockingQueue<String> told = follow(informers, devices);
        dynamic(devices, new CustomObjectsApi(client), told);
        informers.stopAllRegisteredInformers();
        System.exit(0);
    }

    private static void typed(CoreV1Api core) throws ApiException {
        V1ConfigMap map = new V1ConfigMap();
        map.metadata(new V1ObjectMeta().name("java")).data(Map.of("a", "1"));
        V1ConfigMap made = core.createNamespacedConfigMap(NAMESPACE, map).execute();
        check("a ConfigMap is made", "1".equals(made.getData().get("a")));
        made.setData(Map.of("a", "2"));
        V1ConfigMap replaced =
                core.replaceNamespacedConfigMap("java", NAMESPACE, made).execute();
        check("it is replaced", "2".equals(replaced.getData().get("a")));
        try {
            core.replaceNamespacedConfigMap("java", NAMESPACE, made.data(Map.of("a", "3"))).execute();
            check("an old version is refused", false);
        } catch (ApiException refused) {
            check("an old version is refused", refused.getCode() == 409);
        }
        V1Patch patch = new V1Patch("{\"data\":{\"b\":\"4\"}}");
        V1ConfigMap patched =
                PatchUtils.patch(
                        V1ConfigMap.class,
                        () -> core.patchNamespacedConfigMap("java", NAMESPACE, patch).buildCall(null),
                        V1Patch.PATCH_FORMAT_STRATEGIC_MERGE_PATCH,
                        core.getApiClient());
        check("a strategic merge patch", "4".equals(patched.getData().get("b")));
        int listed = core.listNamespacedConfigMap(NAMESPACE).limit(1).execute().getItems().size();
        check("a list with a limit", listed == 1);
        core.deleteNamespacedConfigMap("java", NAMESPACE).execute();
        check("it is removed", true);
    }

    private static void lease(CoordinationV1Api leases) throws ApiException {
        V1LeaseSpec spec = new V1LeaseSpec();
        spec.holderIdentity("java").leaseDurationSeconds(15).renewTime(OffsetDateTime.now());
        V1Lease lease = new V1Lease().metadata(new V1ObjectMeta().name("java")).spec(spec);
        V1Lease made = leases.createNamespacedLease(NAMESPACE, lease).execute();
        made.getSpec().renewTime(OffsetDateTime.now());
        V1Lease renewed = leases.replaceNamespacedLease("java", NAMESPACE, made).execute();
        check("a Lease is renewed", "java".equals(renewed.getSpec().getHolderIdentity()));
    }

    private static LinkedBlockingQueue<String> follow(
            SharedInformerFactory informers, DynamicKubernetesApi devices) throws Exception {
        LinkedBlockingQueue<String> told = new LinkedBlockingQueue<>();
        SharedIndexInformer<DynamicKubernetesObject> informer =
                informers.sharedIndexInformerFor(devices, DynamicKubernetesObject.class, 0);
        informer.addEventHandler(
                new ResourceEventHandler<>() {
                    @Override
                    public void onAdd(DynamicKubernetesObject object) {
                        told.add("added " + object.getMetadata().getName());
                    }

                    @Override
                    public void onUpdate(DynamicKubernetesObject was, DynamicKubernetesObject is) {
                        told.add("updated " + is.getRaw().getAsJsonObject("status"));
                    }

                    @Override
                    public void onDelete(DynamicKubernetesObject object, boolean unknown) {
                        told.add("removed " + object.getMetadata().getName());
                    }
                });
        informers.startAllRegisteredInformers();
        return told;
    }

    private static void report(CustomObjectsApi objects, JsonObject device) throws ApiException {
        objects.replaceNamespacedCustomObjectStatus(
                        "infra.example.io", "v1", NAMESPACE, "devices", "java", device)
                .execute();
    }

    private static void dynamic(
            DynamicKubernetesApi devices,
            CustomObjectsApi objects,
            LinkedBlockingQueue<String> told)
            throws Exception {
        String json =
                "{\"apiVersion\":\"infra.example.io/v1\",\"kind\":\"Device\",\"metadata\":{\"name\":"
                    + "\"java\",\"namespace\":\"default\"},\"spec\":{\"name\":\"j\",\"location\":\"x\"}}";
        DynamicKubernetesObject device =
                new DynamicKubernetesObject(
                        JsonParser.parseString(json).getAsJsonObject());
        devices.create(device, new CreateOptions()).throwsApiException();
        check("an informer is told of a device", until(told, "added java"));
        JsonObject wanted =
                devices.get(NAMESPACE, "java").throwsApiException().getObject().getRaw();
        JsonObject status = new JsonObject();
        status.addProperty("phase", "Ready");
        wanted.add("status", status);
        wanted.getAsJsonObject("spec").addProperty("location", "stolen");
        report(objects, wanted);
        DynamicKubernetesObject reported =
                devices.get(NAMESPACE, "java").throwsApiException().getObject();
        String location =
                reported.getRaw().getAsJsonObject("spec").get("location").getAsString();
        check("a status is reported, and the spec stays", "x".equals(location));
        try {
            status.addProperty("phase", "Offline");
            report(objects, wanted);
            check("a report from an old version is refused", false);
        } catch (ApiException refused) {
            check("a report from an old version is refused", refused.getCode() == 409);
        }
        check("the informer is told of it", until(told, "updated {\"phase\":\"Ready\"}"));
        V1Patch patch = new V1Patch("{\"spec\":{\"location\":\"moved\"}}");
        devices.patch(NAMESPACE, "java", V1Patch.PATCH_FORMAT_JSON_MERGE_PATCH, patch)
                .throwsApiException();
        DynamicKubernetesObject last =
                devices.get(NAMESPACE, "java").throwsApiException().getObject();
        check(
                "a patch of the object changes the spec",
                "moved".equals(last.getRaw().getAsJsonObject("spec").get("location").getAsString()));
        devices.delete(NAMESPACE, "java").throwsApiException();
        check("the informer is told of the end", until(told, "removed java"));
    }

    private static boolean until(LinkedBlockingQueue<String> told, String what) throws Exception {
        for (; ; ) {
            String next = told.poll(30, TimeUnit.SECONDS);
            if (next == null || next.equals(what)) {
                return next != null;
            }
        }
    }

    private static void check(String what, boolean holds) {
        System.out.println((holds ? "ok " : "FAILED ") + what);
        if (!holds) {
            System.exit(1);
        }
    }
}
