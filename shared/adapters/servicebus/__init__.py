"""The queues on Azure Service Bus.

    send          a message, with the time it is due as its scheduled enqueue time; what several callers send
                  while a batch is under way is the next batch
    reject        a message in the queue `<name>-rejected`, because only a receiver can make a dead letter
    dead letters  those that the service keeps beside each queue, and then those that were rejected
    lease         the queue's lock, whose length is a setting of the queue

On Azure the Functions host receives; the consumer here is for a host of ours that drives the functions.
"""
