"""货源: suppliers, what they may bring, and the sealed batches they send (docs/decisions/0016).

Always true: a batch was signed by a key that staff confirmed, for this shop, this product and this moment, and is taken
once; what is stored of it is ciphertext that only an unsealed shop opens; nobody is ever shown its codes.
"""
