package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// writeDocs writes the tables into the documentation.
func (t *table) writeDocs(dir string, _ []work) error {
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "performance.json"), append(text, '\n'), 0o644) //nolint:gosec // G306: for everybody to read
}
