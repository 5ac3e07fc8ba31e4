package trino

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// What a server takes of a machine by itself: a quarter of its memory, within these bounds.
const (
	gigabyte = 1 << 30
	minHeap  = 1 * gigabyte
	maxHeap  = 16 * gigabyte
)

// DefaultHeap is what Java may use on this machine, such as 6G.
func DefaultHeap() string {
	heap := min(max(machineMemory()/4, minHeap), maxHeap)
	return strconv.FormatInt(heap>>20, 10) + "M"
}

var memTotal = regexp.MustCompile(`(?m)^MemTotal:\s+(\d+) kB$`)

// machineMemory is what the machine or its container has, 0 where it can't be told.
func machineMemory() int64 {
	memory := int64(0)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if match := memTotal.FindSubmatch(text); match != nil {
			kilobytes, _ := strconv.ParseInt(string(match[1]), 10, 64)
			memory = kilobytes << 10
		}
	}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
			memory = min(memory, limit)
		}
	}
	return memory
}

var heapSize = regexp.MustCompile(`^([1-9]\d*)([kKmMgG]?)$`)

// heapBytes reads a size as Java does. Errors: ErrConfig.
func heapBytes(heap string) (int64, error) {
	match := heapSize.FindStringSubmatch(heap)
	if match == nil {
		return 0, fmt.Errorf("%w: %q is no size of memory such as 1G or 8G", ErrConfig, heap)
	}
	size, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is no size of memory such as 1G or 8G", ErrConfig, heap)
	}
	return size << map[string]int{"": 0, "k": 10, "m": 20, "g": 30}[strings.ToLower(match[2])], nil
}
