package file

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/serpy-go/serpy/blob"
)

// MaxName bounds the names of files that are saved, in bytes: what the usual
// file systems have room for.
const MaxName = 255

// What is unfinished stands beside its later name, behind one of these.
const (
	partSuffix   = ".part"
	recordSuffix = ".part.rec"
)

// CheckName says why a file cannot be saved under a name that a peer chose, or nil. The
// same names are refused on every system, so that a sender does not depend on where its
// receiver runs: empty, "." and "..", with a separator of folders, a colon or another
// character that Windows forbids, with control characters, not UTF-8, longer than MaxName,
// with a dot or a space at the end, the devices of Windows (CON, NUL, COM1 and so on, with
// whatever extension), and what looks like an unfinished file of this package. The error is
// blob.ErrName.
func CheckName(name string) error {
	if why := badName(name); why != "" {
		if len(name) > 64 {
			name = strings.ToValidUTF8(name[:64], "") + "…"
		}
		return fmt.Errorf("%w: %q is %s", blob.ErrName, name, why)
	}
	return nil
}

func badName(name string) string {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return "empty"
	case name == "." || name == "..":
		return "a folder"
	case len(name) > MaxName:
		return "longer than 255 bytes"
	case !utf8.ValidString(name):
		return "not UTF-8"
	case strings.ContainsAny(name, `/\`):
		return "a path"
	case strings.ContainsAny(name, `<>:"|?*`) || strings.ContainsFunc(name, unicode.IsControl):
		return "with a character that not every system allows"
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		return "with a dot or a space at its end"
	case strings.HasSuffix(lower, partSuffix) || strings.HasSuffix(lower, recordSuffix):
		return "one of an unfinished file"
	case isDevice(lower):
		return "a device on Windows"
	}
	return ""
}

// isDevice knows the names that Windows takes for devices, in each folder and with each
// extension.
func isDevice(lower string) bool {
	stem, _, _ := strings.Cut(lower, ".")
	stem = strings.TrimRight(stem, " ")
	switch stem {
	case "con", "prn", "aux", "nul", "conin$", "conout$", "clock$":
		return true
	}
	for _, port := range []string{"com", "lpt"} {
		if digit, ok := strings.CutPrefix(stem, port); ok {
			switch digit {
			case "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³":
				return true
			}
		}
	}
	return false
}
