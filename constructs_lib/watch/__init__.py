"""The watch over restore points: a function of AWS Lambda that looks at what the bucket has, and says it to CloudWatch.

No engine is imported here; besides the standard library, only the function itself needs boto3, which Lambda brings.
"""
