package serpy

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/serpy-go/serpy/blob"
	"github.com/serpy-go/serpy/blob/file"
	"github.com/serpy-go/serpy/protocol"
)

// errBegun is a SaveTo of a blob that Read or WriteTo began.
var errBegun = errors.New("the blob was read already")

// SaveTo saves the blob in the folder dir, which must exist, under the name that its Info
// says, which must be that of a file (see file.CheckName). What is there of it from an
// earlier time, also of another process or session, is gone on with. The file appears under
// its name when it is whole, checked, and on the disk; until then it is name.part. The
// sender is told then. If ctx ends, or the connection, what came stays for the next time.
// SaveTo closes the blob.
func (b *Blob) SaveTo(ctx context.Context, dir string, o *blob.Options) (blob.Result, error) {
	start := time.Now()
	res, err := b.saveTo(ctx, dir, o)
	res.Elapsed = time.Since(start)
	if err != nil {
		b.abort(blob.CodeOf(err, protocol.BlobRejected), reasonOf(err))
	}
	return res, opError("save blob", err)
}

// reasonOf is what the peer is told of an error of ours: no paths of this machine.
func reasonOf(err error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if errors.Is(e, context.Canceled) || errors.Is(e, context.DeadlineExceeded) {
			return "given up: " + e.Error()
		}
	}
	return ""
}

func (b *Blob) saveTo(ctx context.Context, dir string, o *blob.Options) (res blob.Result, err error) {
	if err := ctx.Err(); err != nil {
		return res, err
	}
	c := b.c
	c.mu.Lock()
	begun, info := b.begun, *b.m.Info()
	c.mu.Unlock()
	if begun {
		return res, errBegun
	}
	p, err := file.Open(dir, &info, o)
	if err != nil {
		return res, err
	}
	defer func() { _ = p.Close() }() // Commit has closed what is whole
	c.mu.Lock()
	b.begun, b.partial = true, p
	p.Stall(c.link == nil)
	b.m.Accept(p.Has())
	c.mu.Unlock()
	meter := newMeter(o, &info)
	at, _ := p.Has()
	res.Resumed = at
	if err = b.saveParts(ctx, p, at, meter); err != nil {
		return res, err
	}
	c.mu.Lock()
	res.Bytes, _, _ = b.m.Has()
	res.Digest = b.m.Digest()
	b.partial = nil
	c.mu.Unlock()
	if res.Path, err = p.Commit(res.Bytes, res.Digest); err != nil {
		return res, err
	}
	b.finish()
	meter.end(res.Bytes)
	return res, nil
}

// saveParts writes what comes until the end.
func (b *Blob) saveParts(ctx context.Context, p *file.Partial, at int64, meter *meter) error {
	for {
		switch err := b.fetchUntil(ctx, p.Replaced()); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		for ; b.at < b.n; b.at++ {
			part := &b.batch[b.at]
			if _, err := p.Write(part.data); err != nil {
				return err
			}
			at += int64(len(part.data))
			part.release()
		}
		meter.at(at)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
