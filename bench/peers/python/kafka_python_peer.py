"""The peer with kafka-python, the pure-Python client, and Faker: consume, produce. See ../README.md."""

import time

from faker import Faker
from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import OffsetAndMetadata

from command_line import run
from generate import USUAL_COUNTRIES, USUAL_CURRENCIES, Envelopes
from lists import CATEGORIES, CHANNELS, TYPES
from work import Partition, report

RECORDS_A_POLL = 5_000
COMMIT_EVERY_SECONDS = 1.0


def consume(bootstrap, topic, group, records):
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=RECORDS_A_POLL,
        max_partition_fetch_bytes=1 << 20,
        fetch_max_bytes=16 << 20,
        receive_buffer_bytes=1 << 20,
    )
    partitions, positions = {}, {}
    started_at = committed_at = None
    counted = 0
    while counted < records:
        polled = consumer.poll(timeout_ms=1_000)
        if not polled:
            continue
        if started_at is None:
            started_at = committed_at = time.monotonic()
        for place, batch in polled.items():
            partition = partitions.get(place)
            if partition is None:
                first_offset = consumer.beginning_offsets([place])[place]
                partition = partitions[place] = Partition(first_offset)
            take = partition.take
            for record in batch:
                take(record.offset, record.timestamp, record.headers, record.value)
            positions[place] = OffsetAndMetadata(batch[-1].offset + 1, "", -1)
            counted += len(batch)
        if time.monotonic() - committed_at >= COMMIT_EVERY_SECONDS:
            consumer.commit_async(dict(positions))
            committed_at = time.monotonic()
    consumer.commit(positions)
    seconds = time.monotonic() - started_at
    consumer.close(autocommit=False)
    return {"records": counted, "seconds": seconds, **report(list(partitions.values()))}


def produce(bootstrap, topic, records, accounts, compression):
    failures = []
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        compression_type=None if compression == "none" else compression,
        linger_ms=20,
        batch_size=128 << 10,
        send_buffer_bytes=1 << 20,
    )
    envelopes = Envelopes(len(producer.partitions_for(topic)))
    # Without weighting, choosing takes a fraction of the time.
    fake = Faker(use_weighting=False)
    started_at = time.monotonic()
    for _ in range(records):
        key, value, partition, headers = envelopes.seal(fake_transaction(fake, accounts))
        sent = producer.send(topic, value, key, headers=headers, partition=partition)
        sent.add_errback(failures.append)
    producer.flush(timeout=120)
    seconds = time.monotonic() - started_at
    if failures:
        raise SystemExit(f"{len(failures)} records failed: {failures[0]}")
    producer.close()
    return {"records": records, "seconds": seconds}


def fake_transaction(fake, accounts):
    """A new transaction, all but its time."""
    return {
        "id": fake.uuid4(),
        "account": f"ACC-{fake.random_int(0, accounts - 1):08d}",
        "type": fake.random_element(TYPES),
        "amount_minor": fake.random_int(1, 1_000_000),
        "currency": fake.random_element(USUAL_CURRENCIES),
        "merchant_name": fake.company(),
        "merchant_category": fake.random_element(CATEGORIES),
        "country": fake.random_element(USUAL_COUNTRIES),
        "channel": fake.random_element(CHANNELS),
    }


if __name__ == "__main__":
    run(consume=consume, produce=produce)
