"""The peer with confluent-kafka (librdkafka) and orjson: consume, produce. See ../README.md.

One process, as people run it: librdkafka fetches and sends in threads of its own, Python does the work.
"""

import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from command_line import run
from generate import Envelopes, random_transaction
from work import Partition, report

RECORDS_A_CALL = 5_000
COMMIT_EVERY_SECONDS = 1.0


def consume(bootstrap, topic, group, records):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "max.partition.fetch.bytes": 1 << 20,
            "queued.min.messages": 200_000,
        }
    )
    consumer.subscribe([topic])
    partitions, next_offsets = {}, {}
    started_at = committed_at = None
    counted = 0
    while counted < records:
        messages = consumer.consume(RECORDS_A_CALL, timeout=1.0)
        if not messages:
            continue
        if started_at is None:
            started_at = committed_at = time.monotonic()
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            index = message.partition()
            partition = partitions.get(index)
            if partition is None:
                first_offset, _ = consumer.get_watermark_offsets(TopicPartition(topic, index))
                partition = partitions[index] = Partition(first_offset)
            offset = message.offset()
            partition.take(offset, message.timestamp()[1], message.headers(), message.value())
            next_offsets[index] = offset + 1
        counted += len(messages)
        if time.monotonic() - committed_at >= COMMIT_EVERY_SECONDS:
            consumer.commit(offsets=_positions(topic, next_offsets), asynchronous=True)
            committed_at = time.monotonic()
    consumer.commit(offsets=_positions(topic, next_offsets), asynchronous=False)
    seconds = time.monotonic() - started_at
    consumer.close()
    return {"records": counted, "seconds": seconds, **report(list(partitions.values()))}


def _positions(topic, next_offsets):
    return [TopicPartition(topic, index, offset) for index, offset in next_offsets.items()]


def produce(bootstrap, topic, records, accounts, compression):
    failures = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": compression,
            "linger.ms": 20,
            "batch.num.messages": 10_000,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1 << 18,
            # Python hears of a record only when it failed.
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _: failures.append(error),
        }
    )
    partitions = len(producer.list_topics(topic, timeout=30).topics[topic].partitions)
    envelopes = Envelopes(partitions)
    started_at = time.monotonic()
    for count in range(records):
        key, value, partition, headers = envelopes.seal(random_transaction(accounts))
        while True:
            try:
                producer.produce(topic, value, key, partition=partition, headers=headers)
                break
            except BufferError:
                producer.poll(0.05)  # The queue is full: wait for acknowledgements.
        if count % 1_000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    seconds = time.monotonic() - started_at
    if failures or left:
        raise SystemExit(f"{len(failures)} records failed, {left} were not acknowledged: {failures[:1]}")
    return {"records": records, "seconds": seconds}


if __name__ == "__main__":
    run(consume=consume, produce=produce)
