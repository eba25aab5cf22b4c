"""A study: search engines and hand-designed networks compared under one protocol.

Every engine searches from several seeds, the best genotype of each search is trained and judged on the validation
split, the best of an engine is trained several times from scratch and tested, and so are hand-designed networks,
under the same settings. Each of these is an ordinary run in a folder of its own; this room decides which there are,
starts them, and compares what came out.

Reference: Scheppach et al., Neural Architecture Search for Genomic Sequence Data, section IV.
"""
