// Makes what pintle-protobuf knows of upstream's messages, from upstream's Go types:
//
//	go run . messages | rustfmt --edition 2024 --config-path ../../.. > ../src/messages.rs
//	go run . bytes > ../tests/bytes.txt
//
// The first is the tables: number, name in JSON and content of each field. The second is what Go
// clients send for objects of each kind, once with every field filled and once with none, and the
// JSON that the same objects have: the tests hold one against the other.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	authn "k8s.io/api/authentication/v1"
	authz "k8s.io/api/authorization/v1"
	autoscaling "k8s.io/api/autoscaling/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	events "k8s.io/api/events/v1"
	rbac "k8s.io/api/rbac/v1"
	crd "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

type kind struct {
	apiVersion string
	object     any
}

var kinds = []kind{
	{"v1", core.Namespace{}},
	{"v1", core.ConfigMap{}},
	{"v1", core.Secret{}},
	{"v1", core.Event{}},
	{"v1", core.ServiceAccount{}},
	{"v1", core.ResourceQuota{}},
	{"events.k8s.io/v1", events.Event{}},
	{"coordination.k8s.io/v1", coordination.Lease{}},
	{"rbac.authorization.k8s.io/v1", rbac.Role{}},
	{"rbac.authorization.k8s.io/v1", rbac.ClusterRole{}},
	{"rbac.authorization.k8s.io/v1", rbac.RoleBinding{}},
	{"rbac.authorization.k8s.io/v1", rbac.ClusterRoleBinding{}},
	{"apiextensions.k8s.io/v1", crd.CustomResourceDefinition{}},
	{"authorization.k8s.io/v1", authz.SubjectAccessReview{}},
	{"authorization.k8s.io/v1", authz.LocalSubjectAccessReview{}},
	{"authorization.k8s.io/v1", authz.SelfSubjectAccessReview{}},
	{"authorization.k8s.io/v1", authz.SelfSubjectRulesReview{}},
	{"authentication.k8s.io/v1", authn.TokenReview{}},
	{"authentication.k8s.io/v1", authn.TokenRequest{}},
	{"authentication.k8s.io/v1", authn.SelfSubjectReview{}},
	{"autoscaling/v1", autoscaling.Scale{}},
	{"meta.k8s.io/v1", meta.DeleteOptions{}},
}

// Messages that forms.rs describes by hand.
var special = map[string]string{
	"meta/v1.Time":                                  "TIME",
	"meta/v1.MicroTime":                             "MICRO_TIME",
	"resource.Quantity":                             "QUANTITY",
	"meta/v1.FieldsV1":                              "JSON",
	"runtime.RawExtension":                          "JSON",
	"apiextensions/v1.JSON":                         "JSON",
	"apiextensions/v1.JSONSchemaPropsOrArray":       "SCHEMA_OR_LIST",
	"apiextensions/v1.JSONSchemaPropsOrBool":        "SCHEMA_OR_BOOL",
	"apiextensions/v1.JSONSchemaPropsOrStringArray": "SCHEMA_OR_NAMES",
	"authentication/v1.ExtraValue":                  "TEXT_LIST",
	"authorization/v1.ExtraValue":                   "TEXT_LIST",
	"authentication/v1.AttestationValue":            "TEXT_LIST",
}

func short(t reflect.Type) string {
	parts := strings.Split(t.PkgPath(), "/")
	last := parts[len(parts)-1]
	if regexp.MustCompile(`^v\d`).MatchString(last) {
		last = parts[len(parts)-2] + "/" + last
	}
	return last + "." + t.Name()
}

var snake = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])`)

func constant(t reflect.Type) string {
	name := t.Name()
	if short(t) == "events/v1.Event" || short(t) == "events/v1.EventSeries" {
		name = "Events" + name
	}
	if short(t) == "authentication/v1.UserInfo" {
		name = "UserInfo"
	}
	name = strings.ReplaceAll(name, "JSONSchema", "JsonSchema")
	return strings.ToUpper(snake.ReplaceAllString(name, "${1}${3}_${2}${4}"))
}

var seen = map[string]reflect.Type{}

func shape(t reflect.Type) string {
	if name, ok := special[short(t)]; ok {
		return "Form(&" + name + ")"
	}
	switch t.Kind() {
	case reflect.String:
		return "Text"
	case reflect.Bool:
		return "Bool"
	case reflect.Int32, reflect.Int64:
		return "Int"
	case reflect.Float64:
		return "Double"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "Bytes"
		}
	case reflect.Struct:
		visit(t)
		return "Part(&" + constant(t) + ")"
	}
	panic(t.String())
}

func visit(t reflect.Type) {
	name := constant(t)
	if old, ok := seen[name]; ok {
		if old != t {
			panic(name)
		}
		return
	}
	seen[name] = t
	render(t)
}

var out = map[string]string{}

func render(t reflect.Type) {
	var b strings.Builder
	fmt.Fprintf(&b, "pub(crate) static %s: Message = message(&[\n", constant(t))
	type row struct {
		number int
		text   string
	}
	var rows []row
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		proto := f.Tag.Get("protobuf")
		if proto == "" {
			if f.Name != "TypeMeta" {
				panic(t.Name() + "." + f.Name)
			}
			continue
		}
		number, _ := strconv.Atoi(strings.Split(proto, ",")[1])
		name := strings.Split(f.Tag.Get("json"), ",")
		omit := false
		ft := f.Type
		pointer := ft.Kind() == reflect.Pointer
		if pointer {
			ft = ft.Elem()
		}
		for _, o := range name[1:] {
			if o == "omitempty" && !pointer && ft.Kind() != reflect.Struct || o == "omitzero" {
				omit = true
			}
		}
		many := "one"
		if _, ok := special[short(ft)]; !ok || ft.Name() == "" {
			switch ft.Kind() {
			case reflect.Slice:
				if ft.Elem().Kind() != reflect.Uint8 {
					many = "many"
					ft = ft.Elem()
				}
			case reflect.Map:
				many = "map"
				ft = ft.Elem()
			}
		}
		text := fmt.Sprintf("        %s(%d, %q, %s)", many, number, name[0], shape(ft))
		if omit && many == "one" {
			text += ".unless_zero()"
		}
		rows = append(rows, row{number, text})
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].number < rows[j].number })
	for _, r := range rows {
		b.WriteString(r.text + ",\n")
	}
	b.WriteString("]);\n")
	out[constant(t)] = b.String()
}

func messages() {
	for _, k := range kinds {
		visit(reflect.TypeOf(k.object))
	}
	fmt.Println("//! What upstream's messages look like. Made by the program in `upstream/` from " +
		"the Go\n//! types of Kubernetes " + kubernetes + "; not to be changed by hand.")
	fmt.Println("\nuse crate::forms::{\nJSON, MICRO_TIME, QUANTITY, " +
		"SCHEMA_OR_BOOL, SCHEMA_OR_LIST, SCHEMA_OR_NAMES, TEXT_LIST, TIME};\n" +
		"use crate::table::Content::{Bool, Bytes, Double, Form, Int, Part, Text};\n" +
		"use crate::table::{Message, many, map, message, one};")
	fmt.Println("\n/// The kinds that can be read: apiVersion, kind, and the message.")
	fmt.Println("pub(crate) static KINDS: &[(&str, &str, &Message)] = &[")
	for _, k := range kinds {
		t := reflect.TypeOf(k.object)
		fmt.Printf("    (%q, %q, &%s),\n", k.apiVersion, t.Name(), constant(t))
	}
	fmt.Println("];")
	var names []string
	for n := range out {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Println()
		fmt.Print(out[n])
	}
}

// The release that go.mod names.
const kubernetes = "v1.37"

// Puts something into every field, differing from field to field.
func fill(v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *meta.Time:
		*x = meta.Unix(next()*86_401, 0)
		return
	case *meta.MicroTime:
		*x = meta.MicroTime{Time: time.Unix(next()*86_401, next()*1_000)}
		return
	case *resource.Quantity:
		*x = resource.MustParse(fmt.Sprintf("%dMi", next()))
		return
	case *meta.FieldsV1:
		x.SetRawString(`{"f:metadata":{"f:labels":{"f:a":{}}}}`)
		return
	case *runtime.RawExtension:
		x.Raw = []byte(`{"a":1}`)
		return
	case *crd.JSON:
		x.Raw = []byte(fmt.Sprintf(`{"number":%d,"list":[1.5,"a",null,true]}`, next()))
		return
	case *crd.JSONSchemaPropsOrArray:
		x.Schema = &crd.JSONSchemaProps{Type: "object"}
		return
	case *crd.JSONSchemaPropsOrBool:
		if x.Allows = true; next()%2 == 0 {
			x.Schema = &crd.JSONSchemaProps{Type: "integer"}
		}
		return
	case *crd.JSONSchemaPropsOrStringArray:
		x.Property = []string{"a", "b"}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d-é", next()))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32:
		v.SetInt(-next())
	case reflect.Int64:
		v.SetInt(next() << 33)
	case reflect.Float64:
		v.SetFloat(float64(next()) + 0.25)
	case reflect.Pointer:
		if v.Type().Elem() == reflect.TypeOf(crd.JSONSchemaProps{}) && depth > 8 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{0, 255, byte(next())})
			return
		}
		n := 2
		if v.Type().Elem() == reflect.TypeOf(crd.JSONSchemaProps{}) && depth > 6 {
			n = 0
		}
		for i := 0; i < n; i++ {
			item := reflect.New(v.Type().Elem()).Elem()
			fill(item, depth+1)
			v.Set(reflect.Append(v, item))
		}
	case reflect.Map:
		if v.Type().Elem() == reflect.TypeOf(crd.JSONSchemaProps{}) && depth > 6 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for i := 0; i < 2; i++ {
			item := reflect.New(v.Type().Elem()).Elem()
			fill(item, depth+1)
			key := reflect.New(v.Type().Key()).Elem()
			key.SetString(fmt.Sprintf("key.%d/é", i))
			v.SetMapIndex(key, item)
		}
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			if v.Type().Field(i).Name != "TypeMeta" {
				fill(v.Field(i), depth+1)
			}
		}
	default:
		panic(v.Type().String())
	}
}

var counter int64

func next() int64 {
	counter++
	return counter
}

func write(name, apiVersion string, object runtime.Object) {
	gv, err := schema.ParseGroupVersion(apiVersion)
	check(err)
	object.GetObjectKind().SetGroupVersionKind(gv.WithKind(reflect.TypeOf(object).Elem().Name()))
	var wire bytes.Buffer
	check(protobuf.NewSerializer(nil, nil).Encode(object, &wire))
	text, err := json.Marshal(object)
	check(err)
	fmt.Printf("%s\n%s\n%s\n", name, hex.EncodeToString(wire.Bytes()), text)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "messages":
		messages()
	case len(os.Args) == 2 && os.Args[1] == "bytes":
		for _, k := range kinds {
			t := reflect.TypeOf(k.object)
			full := reflect.New(t)
			counter = 0
			fill(full.Elem(), 0)
			write(k.apiVersion+" "+t.Name()+" full", k.apiVersion, full.Interface().(runtime.Object))
			empty := reflect.New(t).Interface().(runtime.Object)
			write(k.apiVersion+" "+t.Name()+" empty", k.apiVersion, empty)
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: go run . messages|bytes")
		os.Exit(2)
	}
}
