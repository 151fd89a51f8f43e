"""Did sharing help? Each target alone and all together under one budget, over several seeds."""
