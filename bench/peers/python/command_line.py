"""The command line that the Python peers share: a command, its flags, one line of JSON on standard output."""

import argparse
import gc
import json


def run(consume, produce):
    # Hardly anything here makes cycles: no need to look for them among millions of live objects so often.
    gc.set_threshold(100_000, 50, 100)
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)

    consuming = commands.add_parser("consume")
    consuming.set_defaults(command=consume)
    consuming.add_argument("--group", required=True)

    producing = commands.add_parser("produce")
    producing.set_defaults(command=produce)
    producing.add_argument("--accounts", type=int, default=100_000)
    producing.add_argument("--compression", choices=("none", "snappy"), default="none")

    for each in (consuming, producing):
        each.add_argument("--bootstrap", required=True)
        each.add_argument("--topic", required=True)
        each.add_argument("--records", type=int, required=True)

    arguments = vars(parser.parse_args())
    command = arguments.pop("command")
    print(json.dumps(command(**arguments)), flush=True)
