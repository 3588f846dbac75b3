//go:build !race && !nwrfc

package nwrfc_test

const race = false
