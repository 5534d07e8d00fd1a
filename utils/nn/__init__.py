"""Textbook code: what a week builds and later weeks use. Each module says in ``TAUGHT_IN`` which week builds it.

gpt         week 7   a decoder-only transformer
bpe         week 8   byte-pair encoding
training    week 8   trains a language model; a run can be interrupted and resumed
checkpoint  week 8   tensors and facts in one file that is whole or refused
pretrained  week 8   a small GPT with its tokenizer: the student's own, or the course's
"""
