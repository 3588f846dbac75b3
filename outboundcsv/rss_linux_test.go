package outboundcsv_test

import (
	"os"
	"syscall"
)

// maxRSS is the most memory that a process had, in megabytes.
func maxRSS(p *os.ProcessState) float64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(u.Maxrss) * 1024 / 1e6
}
