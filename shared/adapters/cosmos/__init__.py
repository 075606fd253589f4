"""The stores on Azure Cosmos DB, by the official client over HTTPS.

    containers   what the containers are: partition keys, indexes, times to live, in data
    account      the one client of a process, opened by the first operation
    container    one container: every operation bounded in time, every failure one of ours
    records      documents of the catalogue, written so that what is sent twice is done once
    named        what applications and endpoints have in common: ids, uids, edits
    documents    between the domain's values and documents

The other modules are the ports, one each.
"""
