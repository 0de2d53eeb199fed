"""What developing needs beside the product: nothing here is installed with it."""
