// The consumer: one client in a group, a goroutine for each partition.
//
// The client fetches and decodes; the partitions' goroutines do the work. Offsets of finished records are committed every
// second and at the end. State lives in memory: what is committed is counted, but a crash loses the counts.

package main

import (
	"context"
	"flag"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// Fetched batches that may wait for a partition's goroutine before polling waits for it.
	waitingBatches = 4
	commitEvery    = time.Second
)

// consume works through a topic until a number of records has been counted.
func consume(ctx context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("consume", flag.ExitOnError)
	bootstrap, topic := commonFlags(flags)
	group := flags.String("group", "", "consumer group")
	records := flags.Int64("records", 0, "records to consume, of all partitions together")
	_ = flags.Parse(arguments)

	client, err := kgo.NewClient(
		kgo.SeedBrokers(*bootstrap),
		kgo.ConsumerGroup(*group),
		kgo.ConsumeTopics(*topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(commitEvery),
		kgo.FetchMaxPartitionBytes(1<<20),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()

	polling, stop := context.WithCancel(ctx)
	defer stop()
	crew := &crew{client: client, goal: *records, onGoal: stop, workers: map[int32]*worker{}}
	for polling.Err() == nil {
		if err := crew.dispatch(client.PollFetches(polling)); err != nil {
			return nil, err
		}
	}
	crew.finish()
	if err := client.CommitMarkedOffsets(ctx); err != nil {
		return nil, err
	}
	seconds := time.Since(crew.startedAt).Seconds()

	partitions := map[int32]*partition{}
	for index, worker := range crew.workers {
		partitions[index] = worker.partition
	}
	ledger, totals := report(partitions)
	return map[string]any{
		"records": crew.counted.Load(), "seconds": seconds, "ledger": ledger, "totals": totals,
	}, nil
}

// crew are the workers, one for each partition seen.
type crew struct {
	client    *kgo.Client
	workers   map[int32]*worker
	startedAt time.Time
	counted   atomic.Int64
	goal      int64
	onGoal    func()
	atWork    sync.WaitGroup
}

type worker struct {
	partition *partition
	batches   chan []*kgo.Record
}

// dispatch hands fetched records to their partitions' workers.
func (c *crew) dispatch(fetches kgo.Fetches) error {
	if fetches.Err0() == context.Canceled {
		return nil
	}
	if failed := fetches.Errors(); len(failed) > 0 {
		return failed[0].Err
	}
	fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
		if len(fetched.Records) == 0 {
			return
		}
		if c.startedAt.IsZero() {
			c.startedAt = time.Now()
		}
		found := c.workers[fetched.Partition]
		if found == nil {
			found = &worker{newPartition(fetched.LogStartOffset), make(chan []*kgo.Record, waitingBatches)}
			c.workers[fetched.Partition] = found
			c.atWork.Go(func() { c.work(found) })
		}
		found.batches <- fetched.Records
	})
	return nil
}

func (c *crew) work(w *worker) {
	for batch := range w.batches {
		for _, record := range batch {
			w.partition.take(record)
		}
		c.client.MarkCommitRecords(batch[len(batch)-1])
		if c.counted.Add(int64(len(batch))) >= c.goal {
			c.onGoal()
		}
	}
}

// finish waits until all that was dispatched is counted.
func (c *crew) finish() {
	for _, worker := range c.workers {
		close(worker.batches)
	}
	c.atWork.Wait()
}
