// Reads a running Cairn log with the libraries of other projects, and holds its answers to what they compute.
//
// x/mod's sumdb/note opens the checkpoint, sumdb/tlog authenticates tiles and makes proofs that /v1/proofs and
// /ct/v1 must answer to the byte, and Tessera's client and fsck read the log as one of their own.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	address := flag.String("url", "", "address of a running log")
	keyFile := flag.String("vkey", "", "file of the log's verifier keys, Ed25519 first")
	vectors := flag.String("vectors", "", "folder of the published test vectors")
	flag.Parse()

	var checks []check
	if *address != "" {
		log, err := openLog(*address, *keyFile)
		if err != nil {
			fail("opening the log", err)
		}
		checks = append(checks, logChecks(log)...)
	}
	if *vectors != "" {
		checks = append(checks, vectorChecks(*vectors)...)
	}
	if len(checks) == 0 {
		fmt.Fprintln(os.Stderr, "nothing to check: give -url and -vkey, or -vectors")
		os.Exit(2)
	}
	for _, one := range checks {
		detail, err := one.run()
		if err != nil {
			fail(one.name, err)
		}
		fmt.Printf("  held  %-56s %s\n", one.name, detail)
	}
}

// A check is one claim about the log; run says what it saw.
type check struct {
	name string
	run  func() (string, error)
}

func fail(name string, err error) {
	fmt.Fprintf(os.Stderr, "  FAILED  %s: %s\n", name, strings.TrimSpace(err.Error()))
	os.Exit(1)
}
