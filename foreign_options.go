package serpy

import (
	"time"

	"github.com/serpy-go/serpy/protocol"
)

// checkWires holds Wires and SilentWire of a server to each other; given is SilentWire
// as it was given. A default that does not fit HandshakeTimeout is made to.
func (o *Options) checkWires(given time.Duration) error {
	switch {
	case given > 0 && firstForeign(o.Wires) == nil:
		return &OptionError{"SilentWire", given, "none of Wires lets a server speak first"}
	case given > 0 && len(o.Wires) == 1:
		return &OptionError{"SilentWire", given, "there is one wire alone: nothing is waited for"}
	case given > 0 && given < off && given >= o.HandshakeTimeout:
		return &OptionError{"SilentWire", given, "not less than HandshakeTimeout: silent clients would be refused"}
	case given == 0 && o.SilentWire >= o.HandshakeTimeout:
		o.SilentWire = o.HandshakeTimeout / 2
	}
	return nil
}

// forServer is withDefaults for a server.
func (o *Options) forServer() (*Options, error) {
	opt, err := o.withDefaults()
	if err != nil || o == nil {
		return opt, err
	}
	return opt, opt.checkWires(o.SilentWire)
}

// checkWire lets a wire with fields judge them.
func checkWire(w protocol.Codec) error {
	v, ok := w.(interface{ Validate() error })
	if !ok {
		return nil
	}
	if err := v.Validate(); err != nil {
		return &OptionError{"Wires", w, err.Error()}
	}
	return nil
}

// meetAtPipes opens pipes as the programs do that speak wires of one message a link:
// the pipe is one of messages, and whoever comes first makes it.
func (o *Options) meetAtPipes() {
	for _, w := range o.Wires {
		if w == nil || !w.Caps().OneMessage {
			return
		}
	}
	o.Transport.PipeMessages, o.Transport.PipeMeet = true, true
}
