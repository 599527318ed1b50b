package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHostSourceGivesRealCounters(t *testing.T) {
	src := newHostSource()
	first, err := src.next()
	require.NoError(t, err)
	var a, b sample
	require.NoError(t, json.Unmarshal(first, &a))
	assert.Equal(t, byte('\n'), first[len(first)-1], "one sample a line")
	assert.Positive(t, a.MemoryTotal)
	assert.Positive(t, a.MemoryUsed)
	assert.NotEmpty(t, a.CPUPercent)
	second, err := src.next()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(second, &b))
	assert.True(t, b.Time.After(a.Time))
	assert.GreaterOrEqual(t, b.NetworkSent, a.NetworkSent)
}

func TestCameraSourceMoves(t *testing.T) {
	src := newCameraSource()
	pixel := func(frame []byte, x, y int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(frame[(y*frameSide+x)*4:])))
	}
	frame, err := src.next()
	require.NoError(t, err)
	require.Len(t, frame, 512*512*4)
	first := bytes.Clone(frame)
	low, high := 1.0, 0.0
	for x := range frameSide {
		low, high = min(low, pixel(first, x, 0)), max(high, pixel(first, x, 0))
	}
	assert.InDelta(t, 0, low, 0.001)
	assert.InDelta(t, 1, high, 0.001)
	frame, err = src.next()
	require.NoError(t, err)
	assert.NotEqual(t, first, frame)
	for _, y := range []int{0, 100, 510} {
		assert.InDelta(t, pixel(first, 11, y), pixel(frame, 10, y), 0, "one pixel a frame")
	}
}

func TestFileSourceGivesAllBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recording")
	for _, length := range []int{0, 1, 99, 100, 101, 1000} {
		content := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, length)[:length]
		require.NoError(t, os.WriteFile(path, content, 0o600))
		src, err := newFileSource(path, 100)
		require.NoError(t, err)
		var all []byte
		messages := 0
		for {
			data, err := src.next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			all = append(all, data...)
			messages++
		}
		require.NoError(t, src.close())
		assert.True(t, bytes.Equal(content, all))
		assert.Equal(t, (length+99)/100, messages)
	}
}

func TestPacerKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rate
		r.set(50)
		p := pacer{rate: &r}
		start := time.Now()
		for range 11 {
			require.NoError(t, p.wait(t.Context()))
		}
		assert.Equal(t, 200*time.Millisecond, time.Since(start))

		time.Sleep(time.Second) //nolint:forbidigo // Virtual time: who comes late does not catch up.
		start = time.Now()
		require.NoError(t, p.wait(t.Context()))
		require.NoError(t, p.wait(t.Context()))
		assert.Equal(t, 20*time.Millisecond, time.Since(start))

		r.set(2)
		require.NoError(t, p.wait(t.Context()))
		start = time.Now()
		require.NoError(t, p.wait(t.Context()))
		assert.Equal(t, 500*time.Millisecond, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		require.ErrorIs(t, p.wait(ctx), context.DeadlineExceeded)
	})
}

func TestPacerWithoutRateOnlyAsksTheContext(t *testing.T) {
	var p pacer
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, p.wait(ctx))
	cancel()
	require.ErrorIs(t, p.wait(ctx), context.Canceled)
}
