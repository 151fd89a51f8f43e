"""Messages in Chinese: PALM writes English, whose sentences are looked up where they are shown."""
