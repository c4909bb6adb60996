// The producer: makes transactions and sends them as fast as it can.

package main

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Records that may be on their way. They are used again, so this is also what they take of memory, times 600 bytes.
const bufferedRecords = 50_000

func produce(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("produce", flag.ExitOnError)
	bootstrap, topic := commonFlags(flags)
	records := flags.Int("records", 0, "records to send")
	accounts := flags.Int("accounts", 100_000, "accounts that make transactions")
	compression := flags.String("compression", "none", "none or snappy")
	_ = flags.Parse(arguments)

	codec, isKnown := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "snappy": kgo.SnappyCompression(),
	}[*compression]
	if !isKnown {
		return nil, fmt.Errorf("no such compression: %s", *compression)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*bootstrap),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), // The generator has chosen; a sequence is its partition's.
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerBatchMaxBytes(1_000_000),
		kgo.ProducerLinger(10*time.Millisecond),
		kgo.MaxBufferedRecords(bufferedRecords),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	partitions, err := partitionCount(ctx, client, *topic)
	if err != nil {
		return nil, err
	}

	var failed atomic.Pointer[error]
	envelopes := sync.Pool{New: func() any { return new(envelope) }}
	generator := newGenerator(*topic, *accounts, partitions)
	startedAt := time.Now()
	for range *records {
		e := envelopes.Get().(*envelope)
		generator.fill(e, time.Now())
		client.Produce(ctx, &e.Record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
			envelopes.Put(e)
		})
	}
	if err := client.Flush(ctx); err != nil {
		return nil, err
	}
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return map[string]any{"records": *records, "seconds": time.Since(startedAt).Seconds()}, nil
}

func partitionCount(ctx context.Context, client *kgo.Client, topic string) (int, error) {
	listed, err := kadm.NewClient(client).ListTopics(ctx, topic)
	if err != nil {
		return 0, err
	}
	return len(listed[topic].Partitions), listed[topic].Err
}
