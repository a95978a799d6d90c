"""The commands of our one container image, which run beside the programs: `python -m constructs_lib.agent`.

No engine is imported here, and nothing of it by the constructs; what it needs besides is the extra `agent`.
"""
