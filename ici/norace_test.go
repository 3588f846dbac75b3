//go:build !race

package ici_test

const raceDetector = false
