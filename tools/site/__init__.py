"""The pages of the documentation put together: docs/, what is generated from the code, and the order of it all."""
