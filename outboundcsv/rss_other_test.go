//go:build !linux

package outboundcsv_test

import "os"

// maxRSS is known on Linux only.
func maxRSS(*os.ProcessState) float64 { return 0 }
