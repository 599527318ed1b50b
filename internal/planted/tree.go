package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A tree is a copy of the module, to plant faults in.
type tree struct{ dir string }

// newTree copies the files that a test of the module needs. Modules in its
// directories are left out.
func newTree(from string) (*tree, error) {
	dir, err := os.MkdirTemp("", "planted")
	if err != nil {
		return nil, err
	}
	t := &tree{dir}
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return enter(path, name)
		case !d.Type().IsRegular() || !wanted(name):
			return nil
		}
		return t.copy(path, name)
	})
	if err != nil {
		t.remove()
		return nil, err
	}
	return t, nil
}

// enter says whether a directory belongs to the module.
func enter(path, name string) error {
	if name == "." {
		return nil
	}
	if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil || strings.HasPrefix(filepath.Base(name), ".") {
		return filepath.SkipDir
	}
	return nil
}

func wanted(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".go" || ext == ".s" || ext == ".md" || name == "go.mod" || name == "go.sum" ||
		slices.Contains(strings.Split(filepath.ToSlash(name), "/"), "testdata")
}

func (t *tree) copy(path, name string) error {
	text, err := os.ReadFile(path) //nolint:gosec // a file of this module
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(t.dir, filepath.Dir(name)), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.dir, name), text, 0o600)
}

func (t *tree) remove() { _ = os.RemoveAll(t.dir) }

// An outcome is what became of a fault.
type outcome struct {
	found bool
	by    string // suite and test
	took  time.Duration
}

// try plants a fault, runs its tests, and takes it out again. An error says that
// the fault is badly written, or that the tests could not be run.
func (t *tree) try(ctx context.Context, f *fault) (o outcome, err error) {
	path := filepath.Join(t.dir, f.file)
	text, err := os.ReadFile(path) //nolint:gosec // a file of our copy
	if err != nil {
		return o, err
	}
	planted, err := f.plant(string(text))
	if err != nil {
		return o, err
	}
	if err := os.WriteFile(path, []byte(planted), 0o600); err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, text, 0o600)) }()
	began := time.Now()
	if out, err := t.run(ctx, "", "vet", "-trimpath", "./"+filepath.ToSlash(filepath.Dir(f.file))); err != nil {
		return o, fmt.Errorf("%s: go vet refuses it: %w\n%s", f.name, err, out)
	}
	for _, s := range f.tests {
		by, err := t.find(ctx, s)
		if err != nil {
			return o, fmt.Errorf("%s: %w", f.name, err)
		}
		if by != "" {
			return outcome{true, by, time.Since(began)}, nil
		}
	}
	return outcome{took: time.Since(began)}, nil
}

// find runs a suite with a fault in place, and says what found it. A test counts if
// it fails again by itself: on a busy machine one may fail for another reason.
func (t *tree) find(ctx context.Context, s suite) (by string, err error) {
	for range 3 {
		name, err := t.test(ctx, s)
		if err != nil || name == "" {
			return name, err
		}
		test, ok := strings.CutPrefix(name, s.name+" Test")
		if !ok {
			return name, nil
		}
		top, _, _ := strings.Cut("Test"+test, "/")
		alone := s
		alone.in, alone.run, alone.skip, alone.count = "", "^"+top+"$", "", "3"
		again, err := t.test(ctx, alone)
		if err != nil || again != "" {
			return name, err
		}
		s.skip = strings.TrimPrefix(s.skip+"|^"+top+"$", "|")
	}
	return "", nil
}

// most is how long compiling and running a suite may take, if go test does not
// end by itself.
const most = 10 * time.Minute

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// test runs a suite, and says what failed; "": nothing did.
func (t *tree) test(ctx context.Context, s suite) (by string, err error) {
	args := []string{"test", "-trimpath", "-vet=off", "-count", cmp.Or(s.count, "1"), "-failfast", "-timeout", s.hang}
	run, err := t.pattern(s)
	if err != nil {
		return "", err
	}
	if run != "" {
		args = append(args, "-run", run)
	}
	if s.skip != "" {
		args = append(args, "-skip", s.skip)
	}
	bounded, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	out, err := t.run(bounded, s.env, append(args, s.pkg)...)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err == nil && strings.Contains(out, "no tests to run"):
		return "", fmt.Errorf("suite %s runs no test", s.name)
	case err == nil:
		return "", nil
	case bounded.Err() != nil || strings.Contains(out, "panic: test timed out"):
		return s.name + " hangs", nil
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return "", fmt.Errorf("suite %s does not compile\n%s", s.name, out)
	}
	if m := failed.FindStringSubmatch(out); m != nil {
		return s.name + " " + m[1], nil
	}
	return s.name + " ends early", nil
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// pattern matches the tests of a suite by name; "": all of them.
func (t *tree) pattern(s suite) (string, error) {
	if s.in == "" {
		return s.run, nil
	}
	files, err := filepath.Glob(filepath.Join(t.dir, s.pkg, s.in))
	if err != nil {
		return "", err
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // a file of our copy
		if err != nil {
			return "", err
		}
		for _, m := range testName.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	return "^(" + strings.Join(names, "|") + ")$", nil
}

// run runs the go command in the copy, which is no part of a workspace.
func (t *tree) run(ctx context.Context, env string, args ...string) (out string, err error) {
	c := exec.CommandContext(ctx, "go", args...) //nolint:gosec // arguments of our own
	c.Dir = t.dir
	c.Env = append(os.Environ(), "GOWORK=off")
	if env != "" {
		c.Env = append(c.Env, env)
	}
	c.WaitDelay = time.Second
	b, err := c.CombinedOutput()
	return string(b), err
}
