package nwrfc_test

import (
	"testing"

	"github.com/connects-go/connects/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
