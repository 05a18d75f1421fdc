// Makes what the tests of strategic merge patches are held against: patches by chance, and what
// upstream's own code makes of them.
//
//	go run . > ../tests/strategic.txt
//
// Three lines a case: the object, the patch, and the result, or "error".
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"strings"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

type item struct {
	Name  string            `json:"name"`
	Value string            `json:"value"`
	Tags  []string          `json:"tags" patchStrategy:"merge"`
	Inner map[string]string `json:"inner"`
}

type spec struct {
	Items  []item            `json:"items" patchStrategy:"merge" patchMergeKey:"name"`
	Names  []string          `json:"names" patchStrategy:"merge"`
	Atomic []string          `json:"atomic"`
	Labels map[string]string `json:"labels"`
	Text   string            `json:"text"`
}

type sample struct {
	Metadata meta.ObjectMeta `json:"metadata"`
	Spec     spec            `json:"spec"`
}

var random = rand.New(rand.NewSource(7))

func chance(of int) bool { return random.Intn(of) == 0 }

var letters = []string{"a", "b", "c", "d"}

func letter() string { return letters[random.Intn(len(letters))] }

func some(max int) []any {
	list := []any{}
	for _, i := range random.Perm(len(letters))[:random.Intn(max+1)] {
		list = append(list, letters[i])
	}
	return list
}

func object() map[string]any {
	spec := map[string]any{}
	if !chance(5) {
		items := []any{}
		for _, name := range some(3) {
			items = append(items, itemOf(name.(string), false))
		}
		spec["items"] = items
	}
	if !chance(5) {
		spec["names"] = some(4)
	}
	if !chance(3) {
		spec["atomic"] = some(3)
	}
	if !chance(3) {
		spec["labels"] = map[string]any{letter(): "1", letter(): "2"}
	}
	if !chance(3) {
		spec["text"] = "old"
	}
	metadata := map[string]any{"name": "x"}
	if chance(2) {
		metadata["finalizers"] = some(3)
	}
	if chance(2) {
		metadata["ownerReferences"] = []any{map[string]any{"uid": letter(), "name": "old"}}
	}
	return map[string]any{"metadata": metadata, "spec": spec}
}

func itemOf(name string, patch bool) map[string]any {
	item := map[string]any{"name": name}
	if chance(2) {
		item["value"] = letter()
	}
	if chance(2) {
		item["tags"] = some(3)
	}
	if chance(3) {
		item["inner"] = map[string]any{letter(): "1"}
	}
	if !patch {
		return item
	}
	switch random.Intn(12) {
	case 0:
		item = map[string]any{"name": name, "$patch": "delete"}
	case 1:
		item["value"] = nil
	case 2:
		item["$deleteFromPrimitiveList/tags"] = some(2)
	case 3:
		item["$retainKeys"] = []any{"name", "value"}
	case 4:
		item["inner"] = map[string]any{"$patch": "replace", letter(): "9"}
	case 5:
		if chance(4) {
			delete(item, "name")
		}
	}
	return item
}

func patch() map[string]any {
	spec := map[string]any{}
	if !chance(3) {
		items, order := []any{}, []any{}
		for _, name := range some(3) {
			items = append(items, itemOf(name.(string), true))
		}
		if chance(8) {
			items = append(items, map[string]any{"$patch": "replace"})
		}
		spec["items"] = items
		if chance(2) {
			// Mostly what the patch has, in its order, and something before and after it.
			for _, item := range items {
				if name := item.(map[string]any)["name"]; name != nil && !chance(12) {
					order = append(order, map[string]any{"name": name})
				}
			}
			order = append([]any{map[string]any{"name": letter()}}, order...)
			order = append(order, map[string]any{"name": letter()})
			spec["$setElementOrder/items"] = order
		}
	} else if chance(3) {
		spec["items"] = nil
	}
	if !chance(3) {
		spec["names"] = some(3)
	}
	if chance(3) {
		spec["$deleteFromPrimitiveList/names"] = some(2)
	}
	if chance(3) {
		names, _ := spec["names"].([]any)
		spec["$setElementOrder/names"] = append([]any{letter()}, names...)
	}
	if chance(3) {
		spec["atomic"] = some(3)
	}
	if chance(2) {
		labels := map[string]any{letter(): "3", letter(): nil}
		switch random.Intn(6) {
		case 0:
			labels["$patch"] = "replace"
		case 1:
			labels["$patch"] = "delete"
		case 2:
			labels["$patch"] = "nonsense"
		}
		spec["labels"] = labels
	}
	if chance(3) {
		spec["text"] = nil
	}
	if chance(8) {
		spec["$retainKeys"] = []any{"items", "names", "atomic", "labels", "text"}[random.Intn(3):]
	}
	metadata := map[string]any{}
	if chance(3) {
		metadata["finalizers"] = some(2)
	}
	if chance(3) {
		metadata["ownerReferences"] = []any{map[string]any{"uid": letter(), "name": "new"}}
	}
	if chance(4) {
		metadata["$deleteFromPrimitiveList/finalizers"] = some(2)
	}
	return map[string]any{"metadata": metadata, "spec": spec}
}

func text(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func apply(object, patch string) string {
	result, err := strategicpatch.StrategicMergePatch([]byte(object), []byte(patch), sample{})
	if err != nil && strings.Contains(err.Error(), "no elements in any of the given slices") {
		// An order of no items for a list of none is nothing to refuse.
		return "null"
	}
	if err != nil {
		return "error"
	}
	var tree any
	if err := json.Unmarshal(result, &tree); err != nil {
		panic(err)
	}
	return text(tree)
}

func main() {
	for cases := 0; cases < 400; {
		object, patch := text(object()), text(patch())
		// Upstream deletes in the list that it then takes the order from: what comes out depends on
		// how Go grows its slices. And it refuses orders of lists that are replaced.
		item := strings.Contains(patch, `"$patch":"delete","name"`) || strings.Contains(patch, `{"$patch":"replace"}`)
		if item && strings.Contains(patch, "$setElementOrder/items") {
			continue
		}
		results := map[string]bool{}
		result := ""
		// Upstream goes through its maps in any order, and some patches mean something else each
		// time.
		for i := 0; i < 20; i++ {
			result = apply(object, patch)
			results[result] = true
		}
		// It also leaves directives and nulls in items that are new, for its decoder to drop.
		clean := !strings.Contains(result, `"$`) && !strings.Contains(result, "null")
		if len(results) == 1 && clean && !reflect.DeepEqual(object, result) {
			fmt.Println(object)
			fmt.Println(patch)
			fmt.Println(result)
			cases++
		}
	}
}
