package main

import (
	"encoding/binary"
	"math"
)

const (
	frameSide  = 512
	frameBytes = frameSide * frameSide * 4
	wavePeriod = 128 // Pixels from crest to crest; frameSide is a multiple.
)

// cameraSource makes frames of frameSide by frameSide pixels, float32, little
// endian, row by row: slanted waves between 0 and 1 that move one pixel a frame.
// Each row is a piece of one wave, so that a frame costs no more than a copy.
type cameraSource struct {
	wave  []byte // One row and a period.
	frame []byte
	shift int
}

func newCameraSource() *cameraSource {
	c := &cameraSource{frame: make([]byte, frameBytes)}
	for x := range frameSide + wavePeriod {
		level := 0.5 + 0.5*math.Sin(2*math.Pi*float64(x)/wavePeriod)
		c.wave = binary.LittleEndian.AppendUint32(c.wave, math.Float32bits(float32(level)))
	}
	return c
}

func (c *cameraSource) next() ([]byte, error) {
	const row = frameSide * 4
	for y := range frameSide {
		from := (y + c.shift) % wavePeriod * 4
		copy(c.frame[y*row:(y+1)*row], c.wave[from:])
	}
	c.shift++
	return c.frame, nil
}

func (c *cameraSource) close() error { return nil }
