// Pintle as a server for Go programs that were written for Kubernetes: client-go as it talks to the
// core kinds, in protobuf, and a controller on controller-runtime.
//
// The server is the one of $KUBECONFIG, and has examples/devices/device.crd.yaml. Each line of the
// output is one thing that works; the first that does not ends the program with code 1.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/go-logr/logr/funcr"
)

// Nothing here may take longer.
const patience = 60 * time.Second

func main() {
	ctrl.SetLogger(funcr.New(func(_, line string) { fmt.Println("#", line) }, funcr.Options{}))
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	check("the kubeconfig is read", err)
	ctx, stop := context.WithTimeout(context.Background(), 4*patience)
	defer stop()

	namespace := fmt.Sprintf("go-%d", time.Now().UnixNano()%1_000_000)
	tryClients(ctx, config, namespace)
	tryController(ctx, config, namespace)
	cleanUp(ctx, config, namespace)
}

// check ends the program where something went wrong.
func check(what string, err error) {
	if err != nil {
		fmt.Printf("FAILED %s: %v\n", what, err)
		os.Exit(1)
	}
	fmt.Println("ok", what)
}

// require is a check of something that is true or not.
func require(what string, holds bool, found any) {
	var err error
	if !holds {
		err = fmt.Errorf("found %v", found)
	}
	check(what, err)
}

// eventually waits until something holds.
func eventually(ctx context.Context, what string, holds func(context.Context) (bool, error)) {
	check(what, wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, holds))
}
