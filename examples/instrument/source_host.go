package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
)

// sample is one line of the host source: this machine's counters at one moment.
type sample struct {
	Time         time.Time `json:"time"`
	CPUPercent   []float64 `json:"cpu_percent"` // Of each processor, since the sample before.
	MemoryTotal  uint64    `json:"memory_total"`
	MemoryUsed   uint64    `json:"memory_used"`
	NetworkSent  uint64    `json:"network_sent"` // Bytes since the machine started, as the next three.
	NetworkTaken uint64    `json:"network_received"`
	DiskRead     uint64    `json:"disk_read"`
	DiskWritten  uint64    `json:"disk_written"`
}

// hostSource reads this machine's counters. What a system does not count, or does
// not show to this user, stays zero.
type hostSource struct{ line []byte }

func newHostSource() *hostSource {
	_, _ = cpu.Percent(0, true) // The first answer is since the start of the machine.
	return &hostSource{}
}

// next gives one sample as a line of JSON.
func (h *hostSource) next() ([]byte, error) {
	s := sample{Time: time.Now()}
	cpus, cpuErr := cpu.Percent(0, true)
	s.CPUPercent = cpus
	memory, memErr := mem.VirtualMemory()
	if memErr == nil {
		s.MemoryTotal, s.MemoryUsed = memory.Total, memory.Used
	}
	interfaces, netErr := net.IOCounters(false)
	for _, counter := range interfaces {
		s.NetworkSent += counter.BytesSent
		s.NetworkTaken += counter.BytesRecv
	}
	disks, diskErr := disk.IOCounters()
	for _, counter := range disks {
		s.DiskRead += counter.ReadBytes
		s.DiskWritten += counter.WriteBytes
	}
	if cpuErr != nil && memErr != nil && netErr != nil && diskErr != nil {
		return nil, fmt.Errorf("-source host: this machine shows no counters: %w", errors.Join(cpuErr, memErr))
	}
	line, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	h.line = append(append(h.line[:0], line...), '\n')
	return h.line, nil
}

func (h *hostSource) close() error { return nil }
