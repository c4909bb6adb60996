// The Go peer of the benchmark: the pipeline's work with franz-go. See ../README.md.

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
)

// One line of JSON on standard output is the result; a failure is told on standard error.
func main() {
	// The live heap is small and garbage plentiful, so collecting less often costs little memory and saves time.
	debug.SetGCPercent(200)
	commands := map[string]func(context.Context, []string) (any, error){
		"consume": consume, "produce": produce, "latency": latency,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fail(fmt.Errorf("usage: %s consume|produce|latency --bootstrap HOST:PORT --topic NAME …", os.Args[0]))
	}
	result, err := commands[os.Args[1]](context.Background(), os.Args[2:])
	if err != nil {
		fail(err)
	}
	line, err := json.Marshal(result)
	if err != nil {
		fail(err)
	}
	fmt.Println(string(line))
}

func commonFlags(flags *flag.FlagSet) (bootstrap, topic *string) {
	return flags.String("bootstrap", "127.0.0.1:9092", "broker to start from, host:port"),
		flags.String("topic", "", "topic of the transactions")
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
