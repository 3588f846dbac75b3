//go:build !race

package nwrfc_test

const race = false
