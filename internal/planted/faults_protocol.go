package main

// What is believed of bytes.
var protocolFaults = []fault{
	{
		name: "protocol/head-sum", file: "protocol/native.go", tests: ofWire,
		old:    `if le.Uint32(b[28:]) != Sum(0, b[:28]) {`,
		bad:    `if le.Uint32(b[28:]) == 0 {`,
		breaks: "a damaged head is believed",
	},
	{
		name: "protocol/body-sum", file: "protocol/native.go", tests: ofWire,
		old:    `if f.Flags&NoSum == 0 && sum != Sum(0, f.Body) {`,
		bad:    `if f.Flags&NoSum == 0 && f.Kind != KindData && sum != Sum(0, f.Body) {`,
		breaks: "a damaged message is delivered",
	},
	{
		name: "protocol/body-capacity", file: "protocol/native.go", tests: ofWire,
		old:    `f.Body = b[HeadSize:n:n]`,
		bad:    `f.Body = b[HeadSize:n]`,
		breaks: "who appends to a body writes into the next frame",
	},
	{
		name: "protocol/any-size", file: "protocol/native.go", tests: ofWire,
		old:    `case size > most:`,
		bad:    `case size > MaxBody:`,
		breaks: "a stranger sends a Hello of 132 KiB",
	},
	{
		name: "protocol/any-first-frame", file: "protocol/native.go", tests: ofWire,
		old:    `case !d.begun && f.Kind != KindHello && f.Kind != KindRefuse:`,
		bad:    `case !d.begun && f.Kind == KindData:`,
		breaks: "a link begins without a Hello",
	},
	{
		name: "protocol/count-beyond-body", file: "protocol/native.go", tests: ofWire,
		old:    `case f.Count < 0 || f.Count > MaxCount || size < minUnit*f.Count || f.Count == 0 && size > 0 && f.Kind == KindData:`,
		bad:    `case f.Count < 0 || f.Count > MaxCount || f.Count == 0 && size > 0 && f.Kind == KindData:`,
		breaks: "a frame says more units than it can hold",
	},
	{
		name: "protocol/expand-backwards", file: "protocol/native.go", tests: ofWire,
		old:    `return near + ahead, ahead <= mask/2`,
		bad:    `return near + ahead, ahead <= mask`,
		breaks: "a number that moves back is taken for a leap",
	},
	{
		name: "protocol/limit-mask", file: "protocol/native.go", tests: ofWire,
		old:    `LimitUnits: uint64(le.Uint32(b[18:])) & (1<<LimitUnitsBits - 1),`,
		bad:    `LimitUnits: uint64(le.Uint32(b[18:])),`,
		breaks: "two numbers of a head run into each other",
	},
	{
		name: "protocol/unit-beyond-run", file: "protocol/unit.go", tests: ofWire,
		old:    `if n >= uint64(len(run)-at) { //nolint:gosec // at is not beyond run; one byte more for the flags`,
		bad:    `if n > uint64(len(run)-at) { //nolint:gosec // at is not beyond run; one byte more for the flags`,
		breaks: "a peer makes us panic",
	},
	{
		name: "protocol/payload-capacity", file: "protocol/unit.go", tests: ofWire,
		old:    `u.Payload, rest = run[at:end:end], run[end:]`,
		bad:    `u.Payload, rest = run[at:end], run[end:]`,
		breaks: "who appends to a message writes into the next one",
	},
	{
		name: "protocol/reserved-flag", file: "protocol/unit.go", tests: ofWire,
		old:    `case f&unitReserved != 0:`,
		bad:    `case f == unitReserved:`,
		breaks: "a flag of a later version is ignored",
	},
	{
		name: "protocol/metadata-unbounded", file: "protocol/unit.go", tests: ofWire,
		old:    `case n == 0 || n > maxMeta:`,
		bad:    `case n == 0:`,
		breaks: "metadata is longer than allowed",
	},
	{
		name: "protocol/gap-count", file: "protocol/unit.go", tests: ofWire,
		old:    `case g.Last < g.First || g.Count > g.Last-g.First+1:`,
		bad:    `case g.Last < g.First:`,
		breaks: "a gap counts more messages than it has IDs",
	},
	{
		name: "protocol/mandatory-skipped", file: "protocol/fields.go", tests: ofWire,
		old:    `f.refused = f.key&mandatory != 0`,
		bad:    `f.refused = f.key == mandatory`,
		breaks: "what a later version must not have ignored is ignored",
	},
	{
		name: "protocol/field-twice", file: "protocol/fields.go", tests: ofWire,
		old:    `f.bad = f.bad || f.v.bad || len(f.v.b) > 0 || f.again`,
		bad:    `f.bad = f.bad || f.v.bad || len(f.v.b) > 0`,
		breaks: "a field stands twice, and two readers differ",
	},
	{
		name: "protocol/header-twice", file: "protocol/meta.go", tests: ofWire,
		old:    `case len(h) > 0 && bytes.Compare(name, last) <= 0:`,
		bad:    `case len(h) > 0 && bytes.Compare(name, last) < 0:`,
		breaks: "a header has a name twice",
	},
	{
		name: "protocol/clip-in-two", file: "protocol/hello.go", tests: ofWire,
		old:    `for n > MaxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {`,
		bad:    `for n > MaxText && !utf8.RuneStart(s[n]) {`,
		breaks: "a reason is cut inside a character",
	},
	{
		name: "protocol/zero-id", file: "protocol/hello.go", tests: ofWire,
		old:    `r.bad = r.bad || id.IsZero()`,
		bad:    `r.bad = r.bad || len(id) == 0`,
		breaks: "an ID of zeroes passes for one that was never set",
	},
	{
		name: "protocol/bytes-by-capacity", file: "protocol/reader.go", tests: ofWire,
		old:    `if n > uint64(len(r.b)) {`,
		bad:    `if n > uint64(cap(r.b)) {`,
		breaks: "a length reads what does not belong to it",
	},
}
