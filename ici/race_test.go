//go:build race

package ici_test

// raceDetector is set when sync.Pool drops values at random, so that allocations cannot be counted.
const raceDetector = true
