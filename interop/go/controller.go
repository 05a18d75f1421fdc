package main

import (
	"context"
	"slices"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	events "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	recorder "k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "interop.example.io/teardown"

// Device is the kind of examples/devices, as a Go type.
type Device struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              DeviceSpec   `json:"spec"`
	Status            DeviceStatus `json:"status,omitempty"`
}

// DeviceSpec is what somebody wants.
type DeviceSpec struct {
	Name     string `json:"name"`
	Location string `json:"location"`
}

// DeviceStatus is what the controller has seen.
type DeviceStatus struct {
	Phase              string             `json:"phase,omitempty"`
	Message            string             `json:"message,omitempty"`
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

// DeviceList is a page of them.
type DeviceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Device `json:"items"`
}

// DeepCopyObject is what every type of a scheme has.
func (d *Device) DeepCopyObject() runtime.Object {
	copied := *d
	copied.ObjectMeta = *d.ObjectMeta.DeepCopy()
	copied.Status.Conditions = append([]metav1.Condition(nil), d.Status.Conditions...)
	return &copied
}

// DeepCopyObject is what every type of a scheme has.
func (l *DeviceList) DeepCopyObject() runtime.Object {
	copied := DeviceList{TypeMeta: l.TypeMeta, ListMeta: l.ListMeta}
	for i := range l.Items {
		copied.Items = append(copied.Items, *l.Items[i].DeepCopyObject().(*Device))
	}
	return &copied
}

func scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	check("the core kinds are known", clientgoscheme.AddToScheme(scheme))
	group := schema.GroupVersion{Group: devices.Group, Version: devices.Version}
	scheme.AddKnownTypes(group, &Device{}, &DeviceList{})
	metav1.AddToGroupVersion(scheme, group)
	return scheme
}

type reconciler struct {
	client.Client
	events recorder.EventRecorder
}

// Reconcile reports with both ways that controller-runtime has: a patch of the phase, and an update
// of the whole status.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	device := &Device{}
	if err := r.Get(ctx, request.NamespacedName, device); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !device.DeletionTimestamp.IsZero() {
		controllerutil.RemoveFinalizer(device, finalizer)
		return ctrl.Result{}, client.IgnoreNotFound(r.Update(ctx, device))
	}
	if controllerutil.AddFinalizer(device, finalizer) {
		return ctrl.Result{}, r.Update(ctx, device)
	}
	if device.Status.ObservedGeneration == device.Generation {
		return ctrl.Result{}, nil
	}
	before := device.DeepCopyObject().(*Device)
	device.Status.Phase = "Ready"
	if err := r.Status().Patch(ctx, device, client.MergeFrom(before)); err != nil {
		return ctrl.Result{}, err
	}
	device.Status.Message = "in " + device.Spec.Location
	device.Status.ObservedGeneration = device.Generation
	meta.SetStatusCondition(&device.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Reached", Message: "it answers",
		ObservedGeneration: device.Generation,
	})
	if err := r.Status().Update(ctx, device); err != nil {
		return ctrl.Result{}, err
	}
	r.events.Eventf(device, nil, core.EventTypeNormal, "Reached", "Report", "it answers")
	return ctrl.Result{}, nil
}

func tryController(ctx context.Context, config *rest.Config, namespace string) {
	ctx, stop := context.WithCancel(ctx)
	release := 5 * time.Second
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme(),
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
		Metrics:                       server.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "interop-leader",
		LeaderElectionNamespace:       namespace,
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &release,
	})
	check("a manager is made", err)
	r := &reconciler{manager.GetClient(), manager.GetEventRecorder("interop")}
	check("a controller is made", ctrl.NewControllerManagedBy(manager).For(&Device{}).Complete(r))
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()

	objects := manager.GetClient()
	device := &Device{
		ObjectMeta: metav1.ObjectMeta{Name: "two", Namespace: namespace},
		Spec:       DeviceSpec{Name: "two", Location: "attic"},
	}
	check("a Device is created", objects.Create(ctx, device))
	key := client.ObjectKeyFromObject(device)
	reported := func(message string) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			found := &Device{}
			if err := objects.Get(ctx, key, found); err != nil {
				return false, client.IgnoreNotFound(err)
			}
			status := found.Status
			ready := meta.IsStatusConditionTrue(status.Conditions, "Ready")
			return status.Message == message && status.Phase == "Ready" && ready, nil
		}
	}
	eventually(ctx, "the elected controller reports its status", reported("in attic"))
	lease := &coordination.Lease{}
	held := client.ObjectKey{Namespace: namespace, Name: "interop-leader"}
	check("there is a Lease of the leader", manager.GetAPIReader().Get(ctx, held, lease))
	require("somebody holds it", lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "", lease)

	check("the Device is read", objects.Get(ctx, key, device))
	require("it has the finalizer", controllerutil.ContainsFinalizer(device, finalizer), device)
	before := device.DeepCopyObject().(*Device)
	device.Spec.Location = "cellar"
	check("its spec is patched", objects.Patch(ctx, device, client.MergeFrom(before)))
	eventually(ctx, "the controller follows", reported("in cellar"))
	eventually(ctx, "its event is there", func(ctx context.Context) (bool, error) {
		found := &events.EventList{}
		err := manager.GetAPIReader().List(ctx, found, client.InNamespace(namespace))
		return slices.ContainsFunc(found.Items, func(event events.Event) bool {
			return event.Reason == "Reached" && event.Regarding.Name == "two"
		}), err
	})

	check("the Device is deleted", objects.Delete(ctx, device))
	eventually(ctx, "the controller lets it go", func(ctx context.Context) (bool, error) {
		err := manager.GetAPIReader().Get(ctx, key, &Device{})
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	stop()
	check("the manager ends", <-ended)
	check("its Lease is read", manager.GetAPIReader().Get(context.Background(), held, lease))
	holder := lease.Spec.HolderIdentity
	require("and was given back", holder == nil || *holder == "", lease)
}
