package nwrfc

import "time"

// SetRetry sets the first waiting time between registrations.
func SetRetry(s *Server, d time.Duration) { s.retry = d }
