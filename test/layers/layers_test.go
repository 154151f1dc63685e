// Package layers holds the project's layers: a package imports only packages of lower layers, never of its own
// (docs/design.md section 2).
package layers

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "tapectl"

// layer is the layer of each package below internal/. Layer 0 imports nothing of the project.
var layer = map[string]int{
	"scsi": 0, "mtf": 0, "mssql": 0, "dpm": 0, "encrypt": 0,

	"scsi/sgio": 1, "scsi/iscsi": 1, "scsi/transcript": 1, "scsi/scsitest": 1, "changer": 1, "drive": 1, "mediacatalog": 1,

	"vlib": 2, "library": 2, "report": 2,

	"inventory": 3, "backup": 3, "restore": 3, "locate": 3,

	"library/librarytest": 4, // a kit for the tests of the workflows, which uses them
	"job":                 4, "server": 5,
}

// violations checks the imports of packages, by import path.
func violations(imports map[string][]string) []string {
	var found []string
	for from, list := range imports {
		short, internal := strings.CutPrefix(from, module+"/internal/")
		own, known := layer[short]
		if internal && !known {
			found = append(found, fmt.Sprintf("%s has no layer: give it one here and in docs/design.md", from))
			continue
		}
		for _, to := range list {
			target, ok := strings.CutPrefix(to, module+"/")
			if !ok {
				continue // not of the project
			}
			target, below := strings.CutPrefix(target, "internal/")
			switch {
			case !below:
				if internal || strings.HasPrefix(from, module+"/cmd/") && strings.HasPrefix(target, "test/") {
					found = append(found, fmt.Sprintf("%s imports %s, which is no package below internal/", from, to))
				}
			case strings.HasSuffix(target, "test") && !strings.HasPrefix(from, module+"/test/"):
				found = append(found, fmt.Sprintf("%s imports %s outside its tests", from, to))
			case internal && layer[target] >= own:
				found = append(found, fmt.Sprintf("%s (layer %d) imports %s (layer %d)", from, own, to, layer[target]))
			}
		}
	}
	return found
}

// list asks the go command for the packages of the module and what their non-test files import.
func list(t *testing.T, tags string) map[string][]string {
	t.Helper()
	format := `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`
	out, err := exec.Command("go", "list", "-e", "-tags", tags, "-f", format, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		imports[fields[0]] = fields[1:]
	}
	if len(imports[module+"/internal/scsi"]) == 0 {
		t.Fatalf("go list found no imports of internal/scsi among %d packages", len(imports))
	}
	return imports
}

func TestLayers(t *testing.T) {
	for _, tags := range []string{"", "libiscsi,sqlite_fts5", "kernel"} {
		for _, v := range violations(list(t, tags)) {
			t.Errorf("tags %q: %s", tags, v)
		}
	}
}

func TestViolations(t *testing.T) {
	const in = module + "/internal/"
	for _, c := range []struct {
		name     string
		from, to string
		want     []string
	}{
		{"downwards", in + "changer", in + "scsi", nil},
		{"two down", in + "backup", in + "mtf", nil},
		{"not of the project", in + "scsi", "fmt", nil},
		{"the program", module + "/cmd/tapectl", in + "backup", nil},
		{"end-to-end test", module + "/test/e2e", in + "scsi/scsitest", nil},
		{"upwards", in + "changer", in + "library", []string{"tapectl/internal/changer (layer 1) imports tapectl/internal/library (layer 2)"}},
		{"sideways", in + "drive", in + "changer", []string{"tapectl/internal/drive (layer 1) imports tapectl/internal/changer (layer 1)"}},
		{"within layer 0", in + "mssql", in + "mtf", []string{"tapectl/internal/mssql (layer 0) imports tapectl/internal/mtf (layer 0)"}},
		{"new package", in + "util", "fmt", []string{"tapectl/internal/util has no layer: give it one here and in docs/design.md"}},
		{"the test kit", in + "library", in + "scsi/scsitest", []string{"tapectl/internal/library imports tapectl/internal/scsi/scsitest outside its tests"}},
		{"a laboratory", in + "drive", module + "/test/lab", []string{"tapectl/internal/drive imports tapectl/test/lab, which is no package below internal/"}},
	} {
		if diff := cmp.Diff(c.want, violations(map[string][]string{c.from: {c.to}})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
