package base85_test

import (
	"fmt"

	"github.com/serpy-go/serpy/protocol/base85"
)

func ExampleAppendEncode() {
	text := base85.AppendEncode([]byte("text: "), []byte{0x01, 0x04, 0x1f, 0x00, 0xff})
	fmt.Println(string(text))
	// Output: text: 0R$fa{{
}

func ExampleDecodeInPlace() {
	plain, err := base85.DecodeInPlace([]byte("0R$fa{{"))
	fmt.Printf("% x, %v\n", plain, err)
	_, err = base85.DecodeInPlace([]byte("0R$fa\n"))
	fmt.Println(err)
	// Output:
	// 01 04 1f 00 ff, <nil>
	// base85: byte 0x0a at offset 5 is no digit
}
