// Latency, open loop: from when a record was meant to be sent to when it has been received, parsed and counted.
//
// Each record is due at a time that nothing moves: a stall is charged to every record behind it.

package main

import (
	"context"
	"errors"
	"flag"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	latencyAccounts = 100_000
	latencyUsMax    = 600_000_000
	// How long to wait for the last records.
	stragglersFor = 30 * time.Second
)

func latency(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("latency", flag.ExitOnError)
	bootstrap, topic := commonFlags(flags)
	rate := flags.Int("rate", 1_000, "records a second")
	seconds := flags.Int("seconds", 10, "seconds that are measured")
	warmUpSeconds := flags.Int("warmup-seconds", 3, "seconds before them")
	_ = flags.Parse(arguments)

	sender, err := kgo.NewClient(
		kgo.SeedBrokers(*bootstrap),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1_000_000), // Sending must never wait for room.
	)
	if err != nil {
		return nil, err
	}
	defer sender.Close()
	partitions, err := partitionCount(ctx, sender, *topic)
	if err != nil {
		return nil, err
	}
	receiver, err := receiverFromEnds(ctx, sender, *bootstrap, *topic)
	if err != nil {
		return nil, err
	}
	defer receiver.Close()

	total := *rate * (*seconds + *warmUpSeconds)
	// Connected and fetching before the first record is due.
	startAt := time.Now().Add(time.Second)
	firstUs := startAt.Add(time.Duration(*warmUpSeconds) * time.Second).UnixMicro()
	receiving, stop := context.WithCancel(ctx)
	defer stop()
	histogram := hdrhistogram.New(1, latencyUsMax, 3)
	received := make(chan error, 1)
	go func() { received <- receive(receiving, receiver, total, firstUs, histogram) }()
	if err := sendOpenLoop(ctx, sender, newGenerator(*topic, latencyAccounts, partitions), *rate, total, startAt); err != nil {
		return nil, err
	}
	time.AfterFunc(stragglersFor, stop)
	if err := <-received; err != nil {
		return nil, err
	}
	return map[string]any{
		"rate": *rate, "records": histogram.TotalCount(),
		"p50_us": histogram.ValueAtQuantile(50), "p99_us": histogram.ValueAtQuantile(99),
		"p999_us": histogram.ValueAtQuantile(99.9), "max_us": histogram.Max(),
	}, nil
}

// receiverFromEnds reads all partitions from where they end now.
func receiverFromEnds(ctx context.Context, client *kgo.Client, bootstrap, topic string) (*kgo.Client, error) {
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	return kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(ends.KOffsets()),
		kgo.FetchMinBytes(1),
	)
}

// sendOpenLoop sends each record when it is due.
func sendOpenLoop(ctx context.Context, client *kgo.Client, g *generator, rate, total int, startAt time.Time) error {
	var failed atomic.Pointer[error]
	onAck := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.Store(&err)
		}
	}
	dueAt := func(record int) time.Time {
		return startAt.Add(time.Duration(record) * time.Second / time.Duration(rate))
	}
	for record := 0; record < total; record++ {
		due := dueAt(record)
		// Not time.Sleep, which an idle Go program rounds up to a millisecond.
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			pause := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&pause, nil)
		}
		e := new(envelope)
		g.fill(e, due)
		client.Produce(ctx, &e.Record, onAck)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// receive counts records and takes note of how late they are, until all have come.
func receive(ctx context.Context, client *kgo.Client, total int, firstUs int64, into *hdrhistogram.Histogram) error {
	partitions := map[int32]*partition{}
	for missing := total; missing > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for records := fetches.RecordIter(); !records.Done(); missing-- {
			record := records.Next()
			found := partitions[record.Partition]
			if found == nil {
				found = newPartition(record.Offset)
				partitions[record.Partition] = found
			}
			found.take(record)
			intendedUs, isThere := intendedUsOf(record)
			if !isThere {
				return errors.New("a record without " + intendedHeader + ": somebody else writes to the topic")
			}
			if intendedUs >= firstUs {
				_ = into.RecordValue(max(1, time.Now().UnixMicro()-intendedUs))
			}
		}
	}
	return nil
}

func intendedUsOf(record *kgo.Record) (int64, bool) {
	for _, header := range record.Headers {
		if header.Key == intendedHeader {
			us, err := strconv.ParseInt(string(header.Value), 10, 64)
			return us, err == nil
		}
	}
	return 0, false
}
