package main

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"math"
)

// A size is how many columns and rows an image has. It is a flag.
type size struct{ width, height int }

// most columns and rows: 4 MiB. The old programs get slow above that.
const most = 1024

func (s *size) String() string { return fmt.Sprintf("%dx%d", s.width, s.height) }

// Set reads a size as it is typed.
func (s *size) Set(text string) error {
	var rest string
	n, _ := fmt.Sscanf(text, "%dx%d%s", &s.width, &s.height, &rest)
	if n != 2 || s.width < 2 || s.height < 2 || s.width > most || s.height > most {
		return fmt.Errorf("give columns and rows, of 2 to %d each, as in 512x512", most)
	}
	return nil
}

// bytes is how many bytes an image has.
func (s *size) bytes() int { return 4 * s.width * s.height }

// compute gives the image of n: float32, little endian, row by row, of cos(x) sin(y),
// where x and y go from 0 to n pi, the ends included.
func (s *size) compute(n int64) []byte {
	at := func(i, of int) float64 { return float64(n) * math.Pi * float64(i) / float64(of-1) }
	columns := make([]float64, s.width)
	for i := range columns {
		columns[i] = math.Cos(at(i, s.width))
	}
	b := make([]byte, 0, s.bytes())
	for j := range s.height {
		y := math.Sin(at(j, s.height))
		for _, x := range columns {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x*y)))
		}
	}
	return b
}

// picture makes what a person can look at: -1 is black, and 1 is white.
func (s *size) picture(data []byte) *image.Gray16 {
	p := image.NewGray16(image.Rect(0, 0, s.width, s.height))
	for i := range s.width * s.height {
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		v = math.Max(0, math.Min(1, (v+1)/2)) // what is no number is no shade: black
		if math.IsNaN(v) {
			v = 0
		}
		p.SetGray16(i%s.width, i/s.width, color.Gray16{Y: uint16(math.Round(v * math.MaxUint16))})
	}
	return p
}
