//go:build unix

package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// bindAside makes the socket in a directory that nobody else may enter, gives
// it its permissions there, and moves it to path: it never stands there with
// others. The socket's own name, which tools of the system show, remains that
// of the directory.
func bindAside(ctx context.Context, path string, o Options) (*unixListener, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, &OptionError{"UnixMode", o.UnixMode, err}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	aside := filepath.Join(dir, "s")
	if err := checkPath(aside); err != nil {
		return nil, &OptionError{"UnixMode", o.UnixMode, fmt.Errorf("bound under another name first: %w", err)}
	}
	l, err := bind(ctx, aside, o, nil)
	if err != nil {
		return nil, err
	}
	err = os.Chmod(aside, o.UnixMode)
	if err == nil {
		err = os.Rename(aside, path)
	}
	if err != nil {
		return nil, errors.Join(&OptionError{"UnixMode", o.UnixMode, err}, l.Close())
	}
	l.path = path
	return l, nil
}
