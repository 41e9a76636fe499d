package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// runLog runs a log of Tessera's, whose heads are published only once its witnesses have cosigned them. It reads
// commands from standard input and answers each with one line of JSON: `add <number of entries>` waits until a
// published head holds them, and tells that head.
func runLog(arguments []string) error {
	flags := flag.NewFlagSet("tessera", flag.ExitOnError)
	directory := flags.String("dir", "", "where the log is kept")
	skeyFile := flags.String("skey", "", "file of the log's private key")
	policyFile := flags.String("policy", "", "file of the witness policy")
	timeout := flags.Duration("timeout", 5*time.Second, "how long to wait for the witnesses")
	patience := flags.Duration("patience", 30*time.Second, "how long to wait until entries are published")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	skey, err := os.ReadFile(*skeyFile)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		return err
	}
	policy, err := os.ReadFile(*policyFile)
	if err != nil {
		return err
	}
	witnesses, err := tessera.NewWitnessGroupFromPolicy(policy)
	if err != nil {
		return fmt.Errorf("the policy: %w", err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	driver, err := posix.New(ctx, posix.Config{Path: *directory})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(256, 20*time.Millisecond).
		WithCheckpointInterval(100*time.Millisecond).
		WithWitnesses(witnesses, &tessera.WitnessOptions{Timeout: *timeout})
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 20*time.Millisecond)
	fmt.Println("{}")

	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		count, err := strconv.Atoi(strings.TrimPrefix(input.Text(), "add "))
		if err != nil {
			return fmt.Errorf("not a command: %q", input.Text())
		}
		checkpoint, err := addEntries(ctx, appender, awaiter, count, *patience)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"checkpoint": string(checkpoint)}); err != nil {
			return err
		}
	}
	return shutdown(ctx)
}

// addEntries adds entries that were never added before, and gives a published head that holds all of them.
func addEntries(ctx context.Context, appender *tessera.Appender, awaiter *tessera.PublicationAwaiter, count int, patience time.Duration) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	futures := make([]tessera.IndexFuture, count)
	for i := range futures {
		entry := fmt.Appendf(nil, "entry %d of %d", i, time.Now().UnixNano())
		futures[i] = appender.Add(limited, tessera.NewEntry(entry))
	}
	var newest tessera.Index
	for _, future := range futures {
		index, err := future()
		if err != nil {
			return nil, err
		}
		if index.Index >= newest.Index {
			newest = index
		}
	}
	_, checkpoint, err := awaiter.Await(limited, func() (tessera.Index, error) { return newest, nil })
	return checkpoint, err
}
