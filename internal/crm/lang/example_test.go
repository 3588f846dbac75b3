package lang_test

import (
	"errors"
	"fmt"
	"testing/fstest"

	"github.com/connects-go/connects/internal/crm/lang"
)

func Example() {
	files := fstest.MapFS{"DE.lfg": {Data: []byte("[workModeSupplementary]\n1001=Mittag\n[callStatus]\n1=Anruf\n")}}
	texts, err := lang.Load(files)
	if err != nil {
		fmt.Println(err)
		return
	}
	german := texts.For("de")
	fmt.Println(german.Text(lang.CallStatus, "1"), german.Text(lang.CallStatus, "4"), german.Reasons())
	fmt.Println(texts.For("JA").Text(lang.CallStatus, "1"), texts.For("JA").Reasons())

	files["DE.lfg"].Data = []byte("[workModeSupplementary]\n1001=Pause\n999=Kaffee\n")
	err = texts.Reload()
	fmt.Println(errors.Is(err, lang.ErrTooLow), err)
	fmt.Println(texts.For("D").Mode(1001))
	// Output:
	// Anruf Connected [{1001 Mittag}]
	// Incoming call []
	// true lang: DE.lfg:3: 999: not-ready reasons have numbers above 999
	// Mittag
}
