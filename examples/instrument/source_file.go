package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// fileSource gives the bytes of a recording, size at a time; the last payload
// may be shorter.
type fileSource struct {
	file   *os.File
	buffer []byte
}

func newFileSource(path string, size int) (*fileSource, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("-source file: %w", err)
	}
	return &fileSource{file: file, buffer: make([]byte, size)}, nil
}

func (f *fileSource) next() ([]byte, error) {
	n, err := io.ReadFull(f.file, f.buffer)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("-source file: %w", err)
	}
	return f.buffer[:n], err
}

func (f *fileSource) close() error { return f.file.Close() }
