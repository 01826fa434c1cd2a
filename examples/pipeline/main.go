// Command pipeline shows the whole loop on one machine, with nothing but Go.
//
// Without flags it tells a story in simulated time, around a real HTTP service, real
// stores and the real loop: a credit model is deployed, the world shifts, drift is
// reported, a shadow is trained, judged and promoted, a worse one is rejected, and a
// harmful promotion is rolled back. It fails if any of that does not happen.
//
// With -data it replays a labelled CSV file in order of time through the same loop, and
// compares the first model, kept for ever, with what the loop had in production.
//
// With -db it keeps everything in a database. That needs a driver, which is in a module of
// its own: change to the folder db beside this file, and run that program instead.
package main

import (
	"os"

	"github.com/selfheal-ml/selfheal/examples/pipeline/internal/pipeline"
)

func main() { os.Exit(pipeline.Main(os.Args[1:], os.Stdout, os.Stderr)) }
