from tests.sample_class import make

print(f"tests/sample_class: {len(make())} submissions made")
