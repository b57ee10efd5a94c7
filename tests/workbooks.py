"""Workbooks that tests write: minimal .xlsx files, without a library."""

import zipfile

_BOOK = """<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
 xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{}</sheets></workbook>"""
_RELATIONS = """<?xml version="1.0"?><Relationships
 xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>"""
_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"


def workbook(path, **sheets):
    """A minimal .xlsx file of sheets that are lists of rows."""

    def cell(value):
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return "<c/>" if value is None else f"<c><v>{value}</v></c>"

    names = list(sheets)
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "_rels/.rels",
            _RELATIONS.format(
                f'<Relationship Id="r" Type="{_TYPE}officeDocument" Target="xl/workbook.xml"/>'
            ),
        )
        listed = (f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>' for i, name in enumerate(names, 1))
        book.writestr("xl/workbook.xml", _BOOK.format("".join(listed)))
        targets = (
            f'<Relationship Id="r{i}" Type="{_TYPE}worksheet" Target="worksheets/sheet{i}.xml"/>'
            for i in range(1, len(names) + 1)
        )
        book.writestr("xl/_rels/workbook.xml.rels", _RELATIONS.format("".join(targets)))
        for i, name in enumerate(names, 1):
            rows = "".join("<row>" + "".join(map(cell, row)) + "</row>" for row in sheets[name])
            book.writestr(
                f"xl/worksheets/sheet{i}.xml",
                '<?xml version="1.0"?><worksheet '
                f'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}'
                "</sheetData></worksheet>",
            )
