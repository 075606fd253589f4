"""The part of Cosmos DB's SQL that a store of documents needs.

`text` cuts a query into words, `parser` makes a tree (`tree`) of them, `evaluation` turns the tree's
expressions into functions of documents, and `indexes` refuses what the container's indexing policy does not
serve.
"""
