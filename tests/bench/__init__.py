"""The benchmark: `make bench`, or `python -m tests.bench --help`.

Four processes on one machine: the generator posts messages, the service accepts and delivers them, the
receiver takes them, and this one compares. The service is Heliograph as its users start it, on a fresh
database on a disk; once its place is taken by the floor, a bare loop that does only what no such service
can leave out (`floor.py`).

How to read the table
---------------------
A heading names the stage and its load; each row has a measure, its target where one is promised, what was
measured, and `pass` or `MISS`. A `MISS` may be the machine's: its processors, its Python and its disk stand
in the first lines, and the floor says what they allow.

accepted            posts answered 202, over the time from the first post to the last answer.
attempts recorded   successful attempts in the database, over the time from the first post until the last
                    one was there. When deliveries fall behind posts, this time goes on after the load.
post to 202,        latency of each message in milliseconds. In an open loop it counts from the instant the
post to arrival     message was due, not from when a connection was free: all who had to wait for a stall of
                    the service count it.
attempts, of a      over the time from when the task was asked for until it was finished. New messages are
recovery            posted meanwhile, and before it, to say what it costs them.
share of the floor  attempts recorded, over the mean of the floor's before and after the load.
lost                deliveries of accepted messages that never arrived under the id of the 202, or that are
                    not recorded as a successful attempt. Any makes the exit status 1.
duplicates          deliveries that arrived again after they had been answered 200. At least once allows
                    them.
memory              the service's resident memory, in MiB.
processor time      of all the service's threads, accepting included, in microseconds per delivery.
cores               shares of one core during the load. When the generator's or the receiver's comes near 1,
                    it was the bottleneck, and the rows above are its numbers and not the service's.
the machine         how long Python takes for a piece of work that is always the same. Where it differs from
                    stage to stage, the machine was busy with something else.

Posts ask for `with_content=false`, as the SDKs do; `--with-content` has the payload echoed. While a backlog
is measured the retry schedule is one day, and with `--failure-share` it is seconds; all other settings are
defaults.
"""
