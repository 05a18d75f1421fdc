package main

import (
	"context"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

var devices = schema.GroupVersionResource{
	Group: "infra.example.io", Version: "v1", Resource: "devices",
}

// protobuf is how client-go's own programs talk to the core kinds.
func protobuf(config *rest.Config) *kubernetes.Clientset {
	config = rest.CopyConfig(config)
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(config)
	check("a client is made", err)
	return client
}

func tryClients(ctx context.Context, config *rest.Config, namespace string) {
	client := protobuf(config)
	version, err := client.Discovery().ServerVersion()
	check("the version is told", err)
	require("the version is one of Kubernetes", version.Major == "1", version)
	_, resources, err := client.Discovery().ServerGroupsAndResources()
	check("all groups and resources are discovered", err)
	require("there are some", len(resources) > 5, len(resources))

	space := &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: namespace}}
	_, err = client.CoreV1().Namespaces().Create(ctx, space, meta.CreateOptions{})
	check("a Namespace is created in protobuf", err)
	tryConfigMaps(ctx, client, namespace)
	tryOthers(ctx, client, namespace)
	tryDevices(ctx, config, namespace)
}

// tryConfigMaps writes behind the back of an informer, and waits for what it sees.
func tryConfigMaps(ctx context.Context, client *kubernetes.Clientset, namespace string) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	factory := informers.NewSharedInformerFactoryWithOptions(
		client, 0, informers.WithNamespace(namespace))
	lister := factory.Core().V1().ConfigMaps().Lister().ConfigMaps(namespace)
	informer := factory.Core().V1().ConfigMaps().Informer()
	factory.Start(ctx.Done())
	require("an informer is in step", cache.WaitForCacheSync(ctx.Done(), informer.HasSynced), nil)
	seen := func(what string, holds func(*core.ConfigMap) bool) {
		eventually(ctx, what, func(context.Context) (bool, error) {
			found, err := lister.Get("settings")
			if err != nil {
				found = nil
			}
			return holds(found), nil
		})
	}

	maps := client.CoreV1().ConfigMaps(namespace)
	created, err := maps.Create(ctx, &core.ConfigMap{
		ObjectMeta: meta.ObjectMeta{Name: "settings", Labels: map[string]string{"app": "interop"}},
		Data:       map[string]string{"a": "1", "e": "ü"},
		BinaryData: map[string][]byte{"b": {0, 255}},
	}, meta.CreateOptions{})
	check("a ConfigMap is created in protobuf", err)
	require("it came as it was sent",
		created.Data["e"] == "ü" && string(created.BinaryData["b"]) == "\x00\xff", created)
	seen("the informer sees it", func(found *core.ConfigMap) bool { return found != nil })

	patch := []byte(`{"metadata":{"labels":{"app":null,"level":"2"}},"data":{"a":"2"}}`)
	patched, err := maps.Patch(
		ctx, "settings", types.StrategicMergePatchType, patch, meta.PatchOptions{})
	check("it is patched strategically", err)
	require("and only where the patch said",
		patched.Labels["app"] == "" && patched.Labels["level"] == "2" && patched.Data["e"] == "ü",
		patched)
	seen("the informer sees the patch", func(found *core.ConfigMap) bool {
		return found != nil && found.Data["a"] == "2"
	})

	created.Data["a"] = "3"
	_, err = maps.Update(ctx, created, meta.UpdateOptions{})
	require("an update of what has changed since is a conflict", apierrors.IsConflict(err), err)
	patched.Data["a"] = "3"
	_, err = maps.Update(ctx, patched, meta.UpdateOptions{})
	check("an update of the newest is accepted", err)

	found, err := maps.List(ctx, meta.ListOptions{LabelSelector: "level=2"})
	check("they are listed by label", err)
	require("and found", len(found.Items) == 1, len(found.Items))
	other := types.UID("00000000-0000-0000-0000-000000000000")
	err = maps.Delete(ctx, "settings", meta.DeleteOptions{Preconditions: &meta.Preconditions{UID: &other}})
	require("a delete of another life is a conflict", apierrors.IsConflict(err), err)
	check("it is deleted with options in protobuf",
		maps.Delete(ctx, "settings", *meta.NewDeleteOptions(0)))
	seen("the informer sees it go", func(found *core.ConfigMap) bool { return found == nil })
	_, err = maps.Get(ctx, "settings", meta.GetOptions{})
	require("it is not found any more", apierrors.IsNotFound(err), err)
}

func tryOthers(ctx context.Context, client *kubernetes.Clientset, namespace string) {
	_, err := client.CoreV1().Secrets(namespace).Create(ctx, &core.Secret{
		ObjectMeta: meta.ObjectMeta{Name: "password"},
		Data:       map[string][]byte{"p": []byte("geheim")},
	}, meta.CreateOptions{})
	check("a Secret is created in protobuf", err)
	now, who, seconds := meta.NowMicro(), "somebody", int32(15)
	lease, err := client.CoordinationV1().Leases(namespace).Create(ctx, &coordination.Lease{
		ObjectMeta: meta.ObjectMeta{Name: "turn"},
		Spec: coordination.LeaseSpec{
			HolderIdentity: &who, LeaseDurationSeconds: &seconds, RenewTime: &now,
		},
	}, meta.CreateOptions{})
	check("a Lease is created in protobuf", err)
	require("its time is kept to the microsecond",
		lease.Spec.RenewTime.UnixMicro() == now.UnixMicro(), lease.Spec.RenewTime)
}

// tryDevices has an informer on a declared kind, which has no Go types.
func tryDevices(ctx context.Context, config *rest.Config, namespace string) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	client, err := dynamic.NewForConfig(config)
	check("a dynamic client is made", err)
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(
		client, time.Hour, namespace, nil)
	informer := factory.ForResource(devices)
	gone := make(chan struct{})
	_, err = informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		DeleteFunc: func(any) { close(gone) },
	})
	check("an informer on devices is made", err)
	factory.Start(ctx.Done())
	require("it is in step",
		cache.WaitForCacheSync(ctx.Done(), informer.Informer().HasSynced), nil)

	device := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "infra.example.io/v1", "kind": "Device",
		"metadata": map[string]any{"name": "one"},
		"spec":     map[string]any{"name": "one", "location": "attic"},
	}}
	objects := client.Resource(devices).Namespace(namespace)
	created, err := objects.Create(ctx, device, meta.CreateOptions{})
	check("a Device is created", err)
	status := created.DeepCopy()
	check("a status is set", unstructured.SetNestedField(status.Object, "Ready", "status", "phase"))
	check("and a spec",
		unstructured.SetNestedField(status.Object, "cellar", "spec", "location"))
	reported, err := objects.UpdateStatus(ctx, status, meta.UpdateOptions{})
	check("UpdateStatus is accepted", err)
	location, _, _ := unstructured.NestedString(reported.Object, "spec", "location")
	phase, _, _ := unstructured.NestedString(reported.Object, "status", "phase")
	require("it changes status and nothing else", location == "attic" && phase == "Ready", reported)
	eventually(ctx, "the informer sees the status", func(context.Context) (bool, error) {
		found, err := informer.Lister().ByNamespace(namespace).Get("one")
		if err != nil {
			return false, nil
		}
		phase, _, _ := unstructured.NestedString(found.(*unstructured.Unstructured).Object, "status", "phase")
		return phase == "Ready", nil
	})
	check("it is deleted", objects.Delete(ctx, "one", meta.DeleteOptions{}))
	select {
	case <-gone:
		check("the informer sees it go", nil)
	case <-time.After(patience):
		check("the informer sees it go", context.DeadlineExceeded)
	}
}

func cleanUp(ctx context.Context, config *rest.Config, namespace string) {
	client := protobuf(config)
	spaces := client.CoreV1().Namespaces()
	check("the Namespace is deleted", spaces.Delete(ctx, namespace, meta.DeleteOptions{}))
	eventually(ctx, "it goes with everything in it", func(ctx context.Context) (bool, error) {
		_, err := spaces.Get(ctx, namespace, meta.GetOptions{})
		return apierrors.IsNotFound(err), nil
	})
}
