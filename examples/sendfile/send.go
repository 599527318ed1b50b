package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/serpy-go/serpy"
	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/blob/file"
)

// send is the command.
func send(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) error {
	var cfg config
	set := sendFlags(&cfg)
	if err := parse(set, args, "sendfile send [flags] FILE... | DIR: sends files, or those of a folder, one after another.", stderr); err != nil {
		return err
	}
	out := newScreen(&cfg, stdout, stderr)
	paths, err := filesOf(set.Args(), out)
	if err != nil {
		return &flagError{err}
	}
	conf, err := senderTLS(&cfg)
	if err != nil {
		return err
	}
	c, err := dial(ctx, &cfg, &serpy.Options{
		Name: ourName, TLS: conf, Logger: out.logger(cfg.verbose),
		Reconnect: serpy.Reconnect{FirstDial: serpy.RetryUntilDone, GiveUpAfter: cfg.wait},
	})
	if err != nil {
		return err
	}
	err = sendAll(ctx, c, &cfg, paths, out)
	if closing := c.Close(); err == nil { // else the files have said it
		err = closing
	}
	return err
}

// dial finds the receiver.
func dial(ctx context.Context, cfg *config, o *serpy.Options) (*serpy.Connection, error) {
	look, cancel := context.WithTimeout(ctx, cfg.wait)
	defer cancel()
	c, err := serpy.Dial(look, cfg.address, o)
	if err == nil {
		return c, nil
	}
	if exitCode(ctx, err) != incomplete {
		return nil, err
	}
	return nil, &unreachableError{fmt.Errorf("no receiver at %s within %v: %w", cfg.address, cfg.wait, err)}
}

// sendAll sends files one after another. One that is refused does not keep the others
// back; a connection that has ended does, and a peer that takes none.
func sendAll(ctx context.Context, c *serpy.Connection, cfg *config, paths []string, out *screen) error {
	var errs []error
	for i, path := range paths {
		name := filepath.Base(path)
		res, err := sendFile(ctx, c, cfg, path, &blob.Options{Progress: out.progress(name)})
		if err == nil {
			out.done(name, path, &res)
			continue
		}
		out.failed(name, path, &res, err)
		errs = append(errs, fmt.Errorf("%s: %w", path, err))
		_, nobody := errors.AsType[*unreachableError](err)
		if left := len(paths) - i - 1; left > 0 && (nobody || ctx.Err() != nil || c.State() == serpy.Ended) {
			errs = append(errs, fmt.Errorf("%d more files were not tried", left))
			break
		}
	}
	return errors.Join(errs...)
}

// filesOf are the files that the arguments name: themselves, or those in a folder. A
// receiver sees base names alone, so that no two may have the same.
func filesOf(args []string, out *screen) (paths []string, err error) {
	if len(args) == 0 {
		return nil, errors.New("say which files to send; see sendfile send -help")
	}
	from := make(map[string]string)
	add := func(path string) error {
		name := filepath.Base(path)
		if err := file.CheckName(name); err != nil {
			return err
		}
		if other, twice := from[name]; twice {
			return fmt.Errorf("%s and %s have the same name, and the receiver has one folder", other, path)
		}
		from[name] = path
		paths = append(paths, path)
		return nil
	}
	for _, arg := range args {
		st, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			if !st.Mode().IsRegular() {
				return nil, fmt.Errorf("%s is neither a file nor a folder", arg)
			}
			if err := add(arg); err != nil {
				return nil, err
			}
			continue
		}
		list, err := os.ReadDir(arg)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			path := filepath.Join(arg, e.Name())
			if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
				out.notef("%s is left out: it is no plain file", path)
				continue
			}
			if err := add(path); err != nil {
				return nil, err
			}
		}
	}
	if len(paths) == 0 {
		return nil, errors.New("there are no files to send")
	}
	return paths, nil
}
