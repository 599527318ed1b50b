package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress gives what tells a person how far the run is: a bar on a terminal,
// elsewhere a line each ten seconds.
func progress(out io.Writer) func(done, all int, what string) {
	var bar *progressbar.ProgressBar
	var told time.Time
	f, isFile := out.(*os.File)
	terminal := isFile && term.IsTerminal(int(f.Fd()))
	return func(done, all int, what string) {
		if !terminal {
			if now := time.Now(); now.Sub(told) >= 10*time.Second || done == all {
				told = now
				fmt.Fprintf(out, "%d of %d: %s\n", done, all, what)
			}
			return
		}
		if bar == nil {
			bar = progressbar.NewOptions(all, progressbar.OptionSetWriter(out), progressbar.OptionSetPredictTime(true),
				progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
		}
		bar.Describe(fmt.Sprintf("%-50s", what))
		_ = bar.Set(done)
	}
}
